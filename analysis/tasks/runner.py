"""From a folder of tasks to their results: what is not done is done, once, and what fails is written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

from analysis.tasks.executors import Executor
from analysis.tasks.folder import Status, TaskFolder
from analysis.tasks.outcome import Outcome
from analysis.tasks.perform import perform
from analysis.tasks.work import Task

#: Attempts after the first that a task gets whose worker died or was over its time.
RETRIES = 2

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


def resume(folder: TaskFolder, by: Executor, *, retries: int = RETRIES, finished: Finished | None = None) -> Status:
    """As `run`, and what failed before is tried again."""
    return _finish(folder, resumed(folder, by, retries=retries), finished)


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


def outcomes_of(folder: TaskFolder, tasks: Sequence[Task], by: Executor, retries: int) -> Ending:
    """Do those of the tasks that are not done; the end of the iteration, or of its user, ends the executor."""
    folder.sweep()
    todo = (task for task in tasks if not folder.is_done(task))
    attempts: dict[str, tuple[Task, int]] = {}

    def submit_next() -> None:
        task = next(todo, None)
        if task is not None:
            folder.forget(task)
            attempts[task.key] = task, 1
            by.submit(folder.path, task)

    try:
        for _ in range(by.capacity):
            submit_next()
        for outcome in by.as_completed():
            task, number = attempts.pop(outcome.key)
            failure = outcome.failure
            if failure is not None and failure.reason != "error" and number <= retries:
                attempts[task.key] = task, number + 1
                by.submit(folder.path, task)
                continue
            if failure is not None:
                failure = dataclasses.replace(failure, attempts=number)
                folder.write_failure(task, failure)
            # Nobody waits while the user of the outcome is busy with it.
            submit_next()
            yield task, Outcome(task.key, failure)
    finally:
        by.shutdown()
        folder.sweep()


def _finish(folder: TaskFolder, outcomes: Ending, finished: Finished | None) -> Status:
    with closing(outcomes):
        for task, outcome in outcomes:
            if finished is not None:
                finished(task, outcome)
    return folder.status()
