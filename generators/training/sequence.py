"""Trainings one after another as one: a teacher and its student, jets and what they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from generators.protocols import Monitor, Progress
from generators.training.checkpoint import checkpoint_of, taken_over, write_checkpoint
from generators.training.processes import first_process

R = TypeVar("R")


@dataclass(frozen=True)
class Stage(Generic[R]):
    """One training of a sequence.

    `train(monitor, checkpoint)` makes its result, which `to_tree` turns into what a checkpoint can hold and `from_tree`
    back; `length` is the number of epochs that it took.
    """

    name: str
    train: Callable[[Monitor | None, Path | None], R]
    to_tree: Callable[[R], dict[str, Any]]
    from_tree: Callable[[dict[str, Any]], R]
    length: Callable[[R], int]


class TrainingSequence:
    """So many trainings, reported as one and continued as one.

    `checkpoint` holds the results of the stages that are done. The one in progress has a file beside it, named after
    the checkpoint and the stage, which is removed as soon as its result is in the checkpoint; so at any moment what is
    on disk is enough to go on, and at the end the checkpoint alone is left. One of another `identity` is refused.

    `monitor` gets the epochs of all stages together.
    """

    def __init__(
        self, names: tuple[str, ...], *, identity: str, monitor: Monitor | None, checkpoint: Path | None
    ) -> None:
        self.names, self.identity, self.monitor, self.checkpoint = names, identity, monitor, checkpoint
        self.results: dict[str, Any] = {}
        self.epochs: dict[str, int] = {}
        if checkpoint is None:
            return
        if checkpoint.exists():
            tree = checkpoint_of(checkpoint, identity)
            with taken_over(checkpoint):
                self.results, self.epochs = dict(tree["results"]), dict(tree["epochs"])
        else:
            self._store()

    def run(self, stage: Stage[R], *, later: int | None = None) -> R:
        """The result of a stage, trained now or before.

        `later` is the number of epochs of all stages after it; by default each takes as long as this one.
        """
        if stage.name in self.results:
            result = self._known(stage)
        else:
            result = stage.train(self._progress_of(stage, later), self._beside(stage.name))
            # Nothing is reported of what was trained before.
            self.epochs[stage.name] = max(self.epochs.get(stage.name, 0), stage.length(result))
            if self.checkpoint is not None:
                self.results[stage.name] = stage.to_tree(result)
                self._store()
        beside = self._beside(stage.name)
        if beside is not None and first_process():
            beside.unlink(missing_ok=True)
        return result

    def _known(self, stage: Stage[R]) -> R:
        assert self.checkpoint is not None
        with taken_over(self.checkpoint):
            return stage.from_tree(self.results[stage.name])

    def _store(self) -> None:
        assert self.checkpoint is not None
        write_checkpoint(self.checkpoint, {"identity": self.identity, "results": self.results, "epochs": self.epochs})

    def _beside(self, name: str) -> Path | None:
        return None if self.checkpoint is None else self.checkpoint.with_name(f"{self.checkpoint.name}.{name}")

    def _progress_of(self, stage: Stage[Any], later: int | None) -> Monitor:
        """The monitor of a stage, which counts its epochs after those of the stages before."""
        before = sum(self.epochs.get(name, 0) for name in self.names[: self.names.index(stage.name)])
        stages_after = len(self.names) - self.names.index(stage.name) - 1

        def tell(now: Progress) -> None:
            self.epochs[stage.name] = now.epoch
            if self.monitor is not None:
                rest = now.epochs * stages_after if later is None else later
                self.monitor(replace(now, epoch=before + now.epoch, epochs=before + now.epochs + rest))

        return tell
