"""How a long computation says where it stands."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """Called often; must be cheap, must not raise, and may be ignored by the caller of a library."""

    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None:
        """`done` of `total` units of `stage` are finished; `note` is a short figure to show, such as a loss."""
        ...


def silent(stage: str, done: float, total: float, note: str = "") -> None:
    """A `Progress` that says nothing."""


def part(progress: Callable[[float], None] | None, start: float, length: float) -> Callable[[float], None] | None:
    """Translate the finished fraction of a part to that of the whole."""
    return None if progress is None else lambda done: progress(start + length * done)


def counted(progress: Callable[[float], None] | None) -> Callable[[int, int], None] | None:
    """The same for what counts `done` of `total` steps, as trainings do."""
    return None if progress is None else lambda done, total: progress(done / total)


def each_of(progress: Progress | None, stage: str, total: int) -> Callable[..., None]:
    """A function that is called, with anything, when one of `total` pieces of work is finished, as tasks do."""
    numbers = itertools.count(1)

    def finished(*_: object) -> None:
        done = next(numbers)
        if progress is not None:
            progress(stage, done, total)

    return finished
