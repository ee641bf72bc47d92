"""How a long computation says where it stands."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called often; must be cheap, must not raise, and may be ignored by the caller of a library."""

    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None:
        """`done` of `total` units of `stage` are finished; `note` is a short figure to show, such as a loss."""
        ...
