"""Who does the tasks: this process, or others. A scheduler of a cluster enters by the same three methods."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from analysis.errors import TasksError
from analysis.processes import cores, is_worker
from analysis.tasks.folder import TaskFolder
from analysis.tasks.outcome import Outcome
from analysis.tasks.perform import perform
from analysis.tasks.work import Task

logger = logging.getLogger(__name__)


class Executor(Protocol):
    """Does tasks; it knows no plan, repeats nothing and keeps no result."""

    @property
    def capacity(self) -> int:
        """Tasks that should be submitted at a time."""
        ...

    def submit(self, folder: Path, task: Task) -> None:
        """Do a task of a folder, now or when there is room."""
        ...

    def as_completed(self) -> Iterator[Outcome]:
        """The outcome of everything that was submitted, also meanwhile, as it ends."""
        ...

    def shutdown(self) -> None:
        """Stop what is not done; safe to call twice."""
        ...


class Serial:
    """Does one task after another in this process, whose death is that of the run."""

    capacity = 1

    def __init__(self) -> None:
        self._waiting: list[tuple[Path, Task]] = []

    def submit(self, folder: Path, task: Task) -> None:
        """Keep a task until somebody asks for outcomes."""
        self._waiting.append((folder, task))

    def as_completed(self) -> Iterator[Outcome]:
        """Do what was submitted."""
        while self._waiting:
            folder, task = self._waiting.pop(0)
            yield perform(TaskFolder(folder), task)

    def shutdown(self) -> None:
        """Forget what is not done."""
        self._waiting.clear()


@dataclass(frozen=True)
class Workforce:
    """Who is to do tasks, said before there are any: the arguments of `executor`, which starts them.

    `watched_at` is told the address of a page on which they can be watched, if there is one.
    """

    workers: int | None = None
    scheduler: str | None = None
    timeout: float | None = None
    watched_at: Callable[[str], None] | None = None

    def started(self) -> Executor:
        """The executor, ready for tasks.

        Raises
        ------
        TasksError
            As `executor`.
        """
        found = executor(self.workers, timeout=self.timeout, scheduler=self.scheduler)
        page = getattr(found, "dashboard", "")
        if page and self.watched_at is not None:
            self.watched_at(page)
        return found


#: What a function takes that does tasks: a number of local processes, one per core for None, or any workforce.
Workers: TypeAlias = "int | Workforce | None"


def executor(workers: Workers = None, *, timeout: float | None = None, scheduler: str | None = None) -> Executor:
    """Local processes, by default one per core; this process for one worker, or where it works for another one itself.

    `timeout` is in seconds per task. It needs a process that can be ended, so there is one even for a single worker.
    `scheduler` gives the tasks to Dask instead: `tcp://host:port`, "dask" for this machine, or a YAML file of a batch
    system, for which `workers` are jobs.

    Raises
    ------
    TasksError
        If a number makes no sense, or the scheduler can not be used.
    """
    from analysis.tasks.local import LocalProcesses

    if isinstance(workers, Workforce):
        return workers.started()
    if workers is not None and workers < 1:
        raise TasksError(f"{workers} workers: there must be at least 1.")
    if timeout is not None and not timeout > 0:
        raise TasksError(f"A timeout of {timeout} s: it must be positive.")
    if is_worker():
        logger.info("This process is a worker itself: it does all tasks, one after the other.")
        return Serial()
    number = cores() if workers is None else workers
    if scheduler is not None:
        from analysis.tasks.dask import dask_executor

        if timeout is not None:
            raise TasksError("A timeout per task: Dask can not end a task; give its workers a walltime instead.")
        return dask_executor(scheduler, number)
    return Serial() if number == 1 and timeout is None else LocalProcesses(number, timeout=timeout)
