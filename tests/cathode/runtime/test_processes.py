"""A second process sees the second device alone."""

from __future__ import annotations

import os

import pytest
import torch

from cathode.runtime.processes import in_parallel


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
