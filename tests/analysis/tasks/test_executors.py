"""Who does the tasks."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest

from analysis.errors import TasksError
from analysis.processes import WORKER
from analysis.tasks.executors import Serial, executor
from analysis.tasks.folder import TaskFolder
from analysis.tasks.local import LocalProcesses
from analysis.tasks.work import Task


def test_one_worker_is_this_process_unless_there_is_a_timeout() -> None:
    assert isinstance(executor(1), Serial)
    for made in (executor(1, timeout=5.0), executor(2)):
        assert isinstance(made, LocalProcesses)
        made.shutdown()


def test_a_worker_starts_none_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKER, "1")
    assert isinstance(executor(8), Serial)


@pytest.mark.parametrize(("workers", "timeout"), [(0, None), (-1, None), (1, 0.0), (1, -3.0), (1, float("nan"))])
def test_numbers_that_make_no_sense(workers: int, timeout: float | None) -> None:
    with pytest.raises(TasksError):
        executor(workers, timeout=timeout)


def test_serial_does_what_was_submitted_in_this_process(work: ModuleType, tmp_path: Path) -> None:
    task = Task.of(work.whole_process)
    folder = TaskFolder.planned(tmp_path / "tasks", [task])
    by = Serial()
    by.submit(folder.path, task)
    by.submit(folder.path, task)
    by.shutdown()
    assert list(by.as_completed()) == []
    by.submit(folder.path, task)
    assert [outcome.failure for outcome in by.as_completed()] == [None]
    assert folder.result(task).result == os.getpid()
