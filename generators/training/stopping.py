"""Which epochs are kept and when a training ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

State = dict[str, Tensor]


@dataclass
class BestStates:
    """Keeps the weights of the epochs with the lowest score, such as a loss, which need not be consecutive."""

    count: int
    patience: int | None = None
    kept: list[tuple[float, int, State]] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = float("inf")

    def offer(self, loss: float, epoch: int, state: State) -> None:
        """Consider the state of an epoch (counted from 1)."""
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
        if len(self.kept) < self.count or loss < self.kept[-1][0]:
            copy = {key: value.detach().cpu().clone() for key, value in state.items()}
            self.kept.append((loss, epoch, copy))
            self.kept.sort(key=lambda entry: entry[:2])
            del self.kept[self.count :]

    def out_of_patience(self, epoch: int) -> bool:
        """No better score in the last `patience` of so many epochs."""
        return self.patience is not None and epoch - self.best_epoch >= self.patience

    @property
    def states(self) -> list[State]:
        """The kept weights, best first."""
        return [state for _, _, state in self.kept]

    @property
    def epochs(self) -> list[int]:
        """The epochs of the kept weights, best first."""
        return [epoch for _, epoch, _ in self.kept]

    @property
    def scores(self) -> list[float]:
        """The scores of the kept weights, best first."""
        return [score for score, _, _ in self.kept]

    def to_tree(self) -> dict[str, Any]:
        """Content for a checkpoint."""
        kept = [{"loss": loss, "epoch": epoch, "state": state} for loss, epoch, state in self.kept]
        return {"kept": kept, "best_epoch": self.best_epoch, "best_loss": self.best_loss}

    def restore(self, tree: dict[str, Any]) -> None:
        """Take the content of a checkpoint."""
        self.kept = [(entry["loss"], entry["epoch"], entry["state"]) for entry in tree["kept"]]
        self.best_epoch, self.best_loss = tree["best_epoch"], tree["best_loss"]
