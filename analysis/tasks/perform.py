"""One task, done in this process: what a worker, a job of an array and a serial run have in common."""

from __future__ import annotations

import time
import traceback

from analysis.tasks.folder import TaskFolder
from analysis.tasks.outcome import Failure, Outcome
from analysis.tasks.work import Task

#: Characters of a traceback and of its last line that are kept.
_TRACEBACK, _LINE = 20_000, 1_000


def perform(folder: TaskFolder, task: Task) -> Outcome:
    """Do a task whose result is not there yet; an error of it is an outcome and no error."""
    if folder.is_done(task):
        return Outcome(task.key)
    start = time.perf_counter()
    try:
        with folder.writing(task) as place:
            folder.write_result(place, task.work()(place, **task.arguments))
    except (Exception, SystemExit) as error:
        lines = "".join(traceback.format_exception(error))
        return Outcome(
            task.key,
            Failure(
                reason="error",
                kind=type(error).__name__,
                message=" ".join(str(error).split())[:_LINE] or type(error).__name__,
                traceback=lines[-_TRACEBACK:],
                seconds=time.perf_counter() - start,
            ),
        )
    return Outcome(task.key)
