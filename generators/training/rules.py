"""Which epochs of a training are kept: a rule gives every epoch a score, and the smallest are the best."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from generators.errors import DivergedError, PhaseError
from generators.training.batches import Rows


@dataclass(frozen=True)
class Epoch:
    """A training at the end of an epoch, counted from 1, with averaged weights if there is an average.

    `losses` are those of the held-out rows by the name of the phase, () or (K,) where K members are trained at once.
    Nothing needs a gradient, and torch is seeded as it was at the end of every other epoch.
    """

    number: int
    losses: Mapping[str, Tensor]
    model: nn.Module
    held_out: Rows


class Rule(ABC):
    """What makes an epoch worth keeping."""

    @abstractmethod
    def scores(self, epoch: Epoch) -> list[float]:
        """One number per member, a single one for a training of one network; the less the better."""


@dataclass(frozen=True)
class BestLoss(Rule):
    """The lowest held-out loss of a phase, of the first one if none is named.

    It says nothing of an adversarial network, whose losses depend on how good the opponent is.
    """

    phase: str | None = None

    def scores(self, epoch: Epoch) -> list[float]:
        """The loss of every member."""
        name = next(iter(epoch.losses)) if self.phase is None else self.phase
        if name not in epoch.losses:
            raise PhaseError(f"There is no phase '{name}' whose loss could be the best: {', '.join(epoch.losses)}.")
        return [float(loss) for loss in epoch.losses[name].reshape(-1).tolist()]


@dataclass(frozen=True)
class BestMetric(Rule):
    """The lowest value of `metric(model, held_out)`, such as a distance between what is drawn and what is true."""

    metric: Callable[[nn.Module, Rows], float]

    def scores(self, epoch: Epoch) -> list[float]:
        """The value of the metric.

        Raises
        ------
        DivergedError
            If it is not a number.
        """
        value = float(self.metric(epoch.model, epoch.held_out))
        if math.isnan(value):
            raise DivergedError(f"The metric of epoch {epoch.number} is not a number. Lower the learning rates.")
        return [value]


@dataclass(frozen=True)
class Last(Rule):
    """The last epochs, whatever they are like."""

    def scores(self, epoch: Epoch) -> list[float]:
        """Less with every epoch."""
        members = next(iter(epoch.losses.values())).numel()
        return [float(-epoch.number)] * members
