"""Other processes: as many as there are workers and pieces of work, and which device they see."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cathode.runtime.processes import all_in_parallel, helpers, in_parallel


@pytest.mark.parametrize(
    ("devices", "visible", "seen"), [(2, None, "1"), (2, "3, 5", "5"), (4, "GPU-a,GPU-b", "GPU-b"), (1, None, None)]
)
def test_second_of_several_devices(
    devices: int, visible: str | None, seen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with in_parallel(2, os.getenv, "CUDA_VISIBLE_DEVICES") as answer:
        assert answer.result() == seen
    # Nothing changes for this process, or where there is no second one.
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == visible


def meeting(place: Path, number: int, together: int) -> Callable[[], int]:
    """Work that ends only when so many processes do it at the same time."""

    def work() -> int:
        (place / str(number)).touch()
        end = time.monotonic() + 120
        while len(list(place.iterdir())) < together:
            assert time.monotonic() < end, "the others did not come"
            time.sleep(0.01)
        return os.getpid()

    return work


def test_four_workers_are_four_processes_at_the_same_time(tmp_path: Path) -> None:
    with all_in_parallel(4, [meeting(tmp_path, number, 4) for number in range(3)]) as answers:
        pids = {meeting(tmp_path, 3, 4)(), *(answer.result() for answer in answers)}
    assert len(pids) == 4


@pytest.mark.parametrize(("workers", "pieces", "beside"), [(1, 4, 0), (2, 4, 1), (4, 4, 3), (16, 4, 3), (4, 1, 0)])
def test_no_more_processes_than_work(workers: int, pieces: int, beside: int) -> None:
    assert helpers(workers, pieces) == beside


def test_with_a_device_there_is_one_process_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert helpers(16, 4) == 1
