"""A real scheduler and real workers on loopback."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import ModuleType

import pytest

from analysis.errors import TasksError
from analysis.tasks.executors import executor
from analysis.tasks.folder import TaskFolder
from analysis.tasks.runner import resume, run
from analysis.tasks.work import Task

pytest.importorskip("distributed")


def test_two_workers_do_what_one_process_does_and_one_of_them_is_killed(work: ModuleType, tmp_path: Path) -> None:
    tasks = [Task.of(work.double, number=n) for n in range(30)] + [Task.of(work.fail), Task.of(work.whole_process)]
    serial, shared = (TaskFolder.planned(tmp_path / name, tasks) for name in ("serial", "shared"))
    run(serial, executor(1))
    by = executor(2, scheduler="dask")
    killed: list[int] = []

    def kill_one(*_: object) -> None:
        if not killed:
            pids = by._client.run(os.getpid)  # type: ignore[attr-defined]
            killed.append(next(iter(pids.values())))
            os.kill(killed[0], signal.SIGKILL)

    assert by.dashboard.startswith("http://127.0.0.1:")  # type: ignore[attr-defined]
    status = resume(shared, by, finished=kill_one)
    assert killed
    assert (status.done, status.left) == (31, 0)
    assert [(f.reason, f.kind, f.attempts) for _, f in status.failures] == [("error", "ValueError", 1)]
    for task in tasks[:30]:
        assert (shared.result(task).place / "result.json").read_bytes() == (
            serial.result(task).place / "result.json"
        ).read_bytes()
    assert json.dumps(shared.result(tasks[-1]).result) != str(os.getpid())


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:1", "nowhere", "absent.yaml"])
def test_schedulers_that_are_none(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.tasks.dask._CONNECTING", 0.5)
    with pytest.raises(TasksError, match=scheduler.replace(".", r"\.")):
        executor(1, scheduler=scheduler)


def test_dask_can_not_end_a_task() -> None:
    with pytest.raises(TasksError, match="walltime"):
        executor(1, timeout=1.0, scheduler="dask")
