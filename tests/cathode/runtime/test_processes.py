"""Other processes: as many as there are workers and pieces of work, and which device they see."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cathode.runtime.heard import heard
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


def odd(number: int) -> Callable[[], int]:
    """Work that warns, and lets another thread warn."""

    def work() -> int:
        log = logging.getLogger("generators.somewhere")
        log.warning("%d is odd", number)
        log.warning("compiled", extra={"of_machine": True})
        log.info("as ever")
        aside = threading.Thread(target=log.warning, args=("aside",))
        aside.start()
        aside.join()
        return number

    return work


@pytest.mark.parametrize("workers", [1, 4])
def test_warnings_of_other_processes_are_said_here_in_the_order_of_the_work(
    workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    with heard("generators") as said:
        with all_in_parallel(workers, [odd(number) for number in (1, 3, 5)]) as answers:
            assert [answer.result() for answer in answers] == [1, 3, 5]
        assert answers[0].result() == 1
    assert said == ["1 is odd", "3 is odd", "5 is odd"]
    each = ["{} is odd", "compiled", "aside"]
    assert [record.getMessage() for record in caplog.records] == [w.format(n) for n in (1, 3, 5) for w in each]


def test_warnings_before_an_error_are_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        logging.getLogger("generators").warning("strange")
        raise ValueError("wrong")

    with all_in_parallel(2, [fails]) as (answer,), pytest.raises(ValueError, match="wrong"):
        answer.result()
    assert [record.getMessage() for record in caplog.records] == ["strange"]


def test_a_silenced_logger_stays_silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "generators.somewhere")
    with all_in_parallel(2, [odd(1)]) as (answer,):
        answer.result()
    assert not caplog.records
