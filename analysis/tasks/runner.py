"""From a folder of tasks to their results: what is not done is done, once, and what fails is written down."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from analysis.tasks.executors import Executor
from analysis.tasks.folder import Status, TaskFolder
from analysis.tasks.outcome import Outcome
from analysis.tasks.perform import perform
from analysis.tasks.work import Task

#: Attempts after the first that a task gets whose worker died or was over its time.
RETRIES = 2
#: Seconds before the first attempt of those that are made later; twice as many before every further one.
PAUSE = 2.0

Ending = Generator[tuple[Task, Outcome], None, None]
Finished = Callable[[Task, Outcome], None]


def run(folder: TaskFolder, by: Executor, *, retries: int = RETRIES, finished: Finished | None = None) -> Status:
    """Do all tasks of a folder that are neither done nor failed, and say where it then stands.

    A task whose worker died or was over its time is tried `retries` times more; an error is not, because the same task
    with the same seed would meet it again (see `resume`). `finished` gets every task that has come to its end; an
    error in it ends the run.
    """
    tasks = [each for each in folder.tasks if folder.failure(each) is None]
    return _finish(folder, outcomes_of(folder, tasks, by, retries), finished)


def resume(
    folder: TaskFolder,
    by: Executor,
    *,
    retries: int = RETRIES,
    passing: Collection[str] = (),
    finished: Finished | None = None,
) -> Status:
    """As `run`, and what failed before is tried again.

    `passing` are names of classes of errors that may be gone later, such as that of a file on a server that is busy:
    such a task is tried again as often, after all others and a pause.
    """
    return _finish(folder, outcomes_of(folder, folder.tasks, by, retries, passing), finished)


def resumed(folder: TaskFolder, by: Executor, *, retries: int = RETRIES) -> Ending:
    """As `resume`, for who wants to do something between the tasks: every task with its outcome, as they end."""
    return outcomes_of(folder, folder.tasks, by, retries)


def run_one(folder: Path, name: str) -> Outcome:
    """Do one task of a folder in this process, by its number or key: a job of an array."""
    tasks = TaskFolder(folder)
    task = tasks.task(name)
    outcome = perform(tasks, task)
    if outcome.failure is not None:
        tasks.write_failure(task, outcome.failure)
    return outcome


def outcomes_of(
    folder: TaskFolder, tasks: Sequence[Task], by: Executor, retries: int, passing: Collection[str] = ()
) -> Ending:
    """Do those of the tasks that are not done; the end of the iteration, or of its user, ends the executor."""
    folder.sweep()
    queue = _Queue(folder, by, (task for task in tasks if not folder.is_done(task)))
    try:
        queue.fill()
        for outcome in by.as_completed():
            task, number = queue.doing.pop(outcome.key)
            failure = outcome.failure
            if failure is not None and number <= retries and failure.reason != "error":
                queue.submit(task, number + 1)
                continue
            if failure is not None and number <= retries and failure.kind in passing:
                queue.postpone(task, number + 1)
                queue.fill()
                continue
            if failure is not None:
                failure = dataclasses.replace(failure, attempts=number)
                folder.write_failure(task, failure)
            # Nobody waits while the user of the outcome is busy with it.
            queue.fill()
            yield task, Outcome(task.key, failure)
    finally:
        by.shutdown()
        folder.sweep()


class _Queue:
    """What an executor is to do next: first all tasks, then those that are tried again later.

    `doing` are tasks with the number of their attempt, by key.
    """

    def __init__(self, folder: TaskFolder, by: Executor, todo: Iterator[Task]) -> None:
        self._folder, self._by, self._todo = folder, by, todo
        self._later: deque[tuple[float, Task, int]] = deque()
        self.doing: dict[str, tuple[Task, int]] = {}

    def submit(self, task: Task, number: int) -> None:
        """Begin an attempt."""
        self.doing[task.key] = task, number
        self._by.submit(self._folder.path, task)

    def postpone(self, task: Task, number: int) -> None:
        """Keep an attempt for later."""
        self._later.append((time.monotonic() + PAUSE * 2 ** (number - 2), task, number))

    def fill(self) -> None:
        """Give the executor as much as it can have; waits only where it has nothing else to do."""
        room = self._by.capacity - len(self.doing)
        for task in itertools.islice(self._todo, max(room, 0)):
            self._folder.forget(task)
            self.submit(task, 1)
        while self._later and len(self.doing) < self._by.capacity:
            pause = self._later[0][0] - time.monotonic()
            if pause > 0 and self.doing:
                return
            time.sleep(max(pause, 0.0))
            _, task, number = self._later.popleft()
            self.submit(task, number)


def _finish(folder: TaskFolder, outcomes: Ending, finished: Finished | None) -> Status:
    with closing(outcomes):
        for task, outcome in outcomes:
            if finished is not None:
                finished(task, outcome)
    return folder.status()
