"""The hyperparameters that all generators of networks have, without the networks: to look at them loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from generators.parameters import Parameters
from generators.training.settings import TrainingSettings

#: The map of events that is usual.
BIJECTION = "quantile_normal"


@dataclass(kw_only=True, eq=False)
class NetworkSettings(Parameters):
    """The map of events before the network, and the training.

    A kind whose hyperparameters can be looked at without torch declares them, and all checks of them, in a subclass of
    this; it is named in `generators.registry`, and the generator inherits from it.
    """

    bijection: str | dict[str, Any] = BIJECTION
    training: TrainingSettings

    @property
    def looked_at(self) -> bool:
        """Whether these checks are all; settings of another bijection are looked into by that bijection alone."""
        return self.bijection == BIJECTION
