"""Generators whose network has a single loss, as most have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from generators.base import NetworkGenerator
from generators.conditional_network import ConditionalNetwork
from generators.protocols import Monitor
from generators.training.batches import TrainingData
from generators.training.phases import Phase, trainable
from generators.training.trained import Trained

N = TypeVar("N", bound=ConditionalNetwork)


@dataclass(kw_only=True, eq=False)
class OnePhase(NetworkGenerator[N]):
    """A generator whose network has one loss, that of its `forward`; several of them can be trained at once."""

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """The network alone."""
        return one_phase(self, data, seed=seed, monitor=monitor, checkpoint=checkpoint)


def one_phase(
    generator: NetworkGenerator[N], data: TrainingData, *, seed: int, monitor: Monitor | None, checkpoint: Path | None
) -> Trained:
    """States of the network of a generator by its own loss, that of `forward`."""
    network = generator.untrained(data, seed=seed)
    phase = Phase(generator.kind, network, trainable(network))
    return generator.trained(network, [phase], data, seed=seed, monitor=monitor, checkpoint=checkpoint)
