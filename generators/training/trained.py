"""What a training leaves behind, and how it is known again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Self

from torch import Tensor

from generators.training.stopping import State


@dataclass(frozen=True)
class Losses:
    """Weighted mean loss of a phase per epoch, of the steps and of the rows held out.

    The former is not a number in an epoch in which the phase made no step.
    """

    train: list[float]
    validation: list[float]

    def to_tree(self) -> dict[str, Any]:
        """Content for a checkpoint."""
        return {"train": list(self.train), "validation": list(self.validation)}

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> Self:
        """What `to_tree` gave."""
        return cls(tree["train"], tree["validation"])


@dataclass(frozen=True)
class Trained:
    """What a training leaves behind: best states first, their epochs and scores, and losses by phase.

    Of `Members`, the best states of the first, then those of the second and so on, and the mean of the losses.
    """

    states: list[State]
    best_epochs: list[int]
    scores: list[float]
    losses: dict[str, Losses]

    @property
    def train_losses(self) -> list[float]:
        """Those of the first phase, per epoch."""
        return next(iter(self.losses.values())).train

    @property
    def validation_losses(self) -> list[float]:
        """Those of the first phase, per epoch."""
        return next(iter(self.losses.values())).validation

    def to_tree(self) -> dict[str, Any]:
        """Content for a checkpoint."""
        return {
            "states": list(self.states),
            "best_epochs": self.best_epochs,
            "scores": self.scores,
            "losses": {name: losses.to_tree() for name, losses in self.losses.items()},
        }

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> Self:
        """What `to_tree` gave."""
        losses = {name: Losses.from_tree(each) for name, each in tree["losses"].items()}
        return cls(tree["states"], tree["best_epochs"], tree["scores"], losses)


def identity_of(description: Any, *tensors: Tensor) -> str:
    """Hash of all that a checkpoint must have in common with the training that continues from it.

    `description` is of JSON types and dataclasses of them.
    """
    text = json.dumps(description, sort_keys=True, default=_plain)
    digest = hashlib.sha256(text.encode())
    for tensor in tensors:
        # Without a copy of all.
        digest.update(tensor.detach().cpu().contiguous().numpy().reshape(-1).view("u1").data)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{value!r} is not of JSON types")
