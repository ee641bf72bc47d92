"""A real scheduler and real workers on loopback."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import ModuleType

import numpy as np
import psutil
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


def test_the_death_of_a_worker_is_no_error_of_the_task_and_harms_no_other(work: ModuleType, tmp_path: Path) -> None:
    """What the end of a walltime and of memory look like: the process is gone, as often as it is tried."""
    tasks = [Task.of(work.die), Task.of(work.fail), *(Task.of(work.double, number=n) for n in range(4))]
    folder = TaskFolder.planned(tmp_path / "tasks", tasks)
    status = run(folder, executor(2, scheduler="dask"), retries=1)
    assert status.done == 4
    ends = {task.function.split(":")[1]: failure for task, failure in status.failures}
    assert (ends["die"].reason, ends["die"].kind, ends["die"].attempts) == ("died", "", 2)
    assert "walltime" in ends["die"].message
    assert (ends["fail"].reason, ends["fail"].kind, ends["fail"].attempts) == ("error", "ValueError", 1)


@pytest.mark.slow
def test_memory_stays_over_many_small_tasks(work: ModuleType, tmp_path: Path) -> None:
    """Of this process, which holds client and scheduler, and of the workers: less than 1 MB per 100 tasks."""
    folder = TaskFolder.planned(tmp_path / "tasks", [Task.of(work.memory, number=n) for n in range(1_000)])
    here: list[float] = []
    own = psutil.Process()
    by = executor(2, scheduler="dask")
    status = run(folder, by, finished=lambda *_: here.append(own.memory_info().rss / 1e6))
    assert status.done == 1_000
    # The first 100 load what is needed.
    slope = 100 * np.polyfit(np.arange(900), here[100:], 1)[0]
    there = [done.result for done in folder.collect()]
    of_workers = 100 * np.polyfit(np.arange(900), there[100:], 1)[0]
    assert (slope < 1, of_workers < 1) == (True, True), (
        f"{slope:.2f} MB per 100 tasks here, {of_workers:.2f} in workers"
    )


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:1", "nowhere", "absent.yaml"])
def test_schedulers_that_are_none(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.tasks.dask._CONNECTING", 0.5)
    with pytest.raises(TasksError, match=scheduler.replace(".", r"\.")):
        executor(1, scheduler=scheduler)


def test_dask_can_not_end_a_task() -> None:
    with pytest.raises(TasksError, match="walltime"):
        executor(1, timeout=1.0, scheduler="dask")
