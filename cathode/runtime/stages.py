"""Seeds, places and progress of what one task trains: all that a method needs to know of the search around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cathode.runtime.progress import Progress, silent
from cathode.runtime.run_folder import RunFolder
from cathode.runtime.seeds import Seeds
from cathode.runtime.store import Store

if TYPE_CHECKING:
    from generators.protocols import Monitor

_Names = Callable[[str], str]


def _same(name: str) -> str:
    return name


@dataclass(frozen=True, eq=False)
class Stages:
    """The stages of one task in one folder; whatever is there already is loaded and not made again.

    `purpose` and `place` turn the name of a seed or of a product into that of this task: the window has the plain
    names, a validation region others, so that no two share a seed or a folder; `label` turns it into what a user reads.
    Of a stage that several tasks share, `share` is where this one starts and how much it is.
    """

    seeds: Seeds
    folder: RunFolder
    progress: Progress = silent
    purpose: _Names = _same
    place: _Names = _same
    label: _Names = _same
    share: tuple[float, float] = (0.0, 1.0)

    def seed(self, purpose: str) -> int:
        """A seed for this purpose and task."""
        return self.seeds(self.purpose(purpose))

    def many(self, purpose: str, count: int) -> tuple[int, ...]:
        """Several seeds for one purpose."""
        return tuple(self.seed(f"{purpose}/{index}") for index in range(count))

    @property
    def store(self) -> Store | None:
        """What other runs have trained, if there is a store."""
        return self.folder.store

    def at(self, product: str) -> Path | None:
        """Where a product lies, or None without a folder."""
        return self.folder.at(self.place(product))

    def fraction(self, stage: str) -> Callable[[float], None]:
        """Reports the finished fraction of a stage."""
        name, (start, length) = self.label(stage), self.share
        return lambda done: self.progress(name, start + length * done, 1.0)

    def counted(self, stage: str) -> Callable[[int, int], None]:
        """Reports `done` of `total` steps of a stage."""
        name = self.label(stage)
        return lambda done, total: self.progress(name, done, total)

    def epochs(self, stage: str) -> Monitor:
        """Reports the epochs of a training."""
        name = self.label(stage)
        return lambda at: self.progress(name, at.epoch, at.epochs, f"loss {at.validation_loss:.4f}")

    def silenced(self) -> Stages:
        """The same without reports, for another process."""
        return replace(self, progress=silent)
