"""Whether somebody records what torch does, for an export: then nothing may be computed without torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_RECORDING: ContextVar[bool] = ContextVar("recording", default=False)


def recording() -> bool:
    """Whether what this thread does is being recorded."""
    return _RECORDING.get()


@contextmanager
def recorded() -> Iterator[None]:
    """Let `recording` be true inside of the block."""
    token = _RECORDING.set(True)
    try:
        yield
    finally:
        _RECORDING.reset(token)
