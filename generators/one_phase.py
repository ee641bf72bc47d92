"""Generators whose network has a single loss, as most have."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from generators.base import NetworkGenerator
from generators.objective import Objective
from generators.protocols import Monitor
from generators.training.batches import TrainingData
from generators.training.phases import Phase, trainable
from generators.training.trained import Trained

N = TypeVar("N", bound=nn.Module)


@dataclass(kw_only=True, eq=False)
class OneLoss(NetworkGenerator[N]):
    """A generator whose network is trained by one loss."""

    @abstractmethod
    def objective(self, network: N) -> Objective[Any]:
        """The loss of a network."""


@dataclass(kw_only=True, eq=False)
class OnePhase(OneLoss[N]):
    """A generator whose network is trained by one loss, and by nothing else."""

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """The network alone."""
        return one_phase(self, data, seed=seed, monitor=monitor, checkpoint=checkpoint)


def one_phase(
    generator: OneLoss[N], data: TrainingData, *, seed: int, monitor: Monitor | None, checkpoint: Path | None
) -> Trained:
    """States of the network of a generator by its loss."""
    network = generator.untrained(data, seed=seed)
    phase = Phase(generator.kind, generator.objective(network), trainable(network))
    return generator.trained(network, [phase], data, seed=seed, monitor=monitor, checkpoint=checkpoint)
