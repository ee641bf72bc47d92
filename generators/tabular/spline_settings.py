"""Hyperparameters of flows of splines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from generators.errors import HyperparameterError
from generators.flows.sizes import require_sizes
from generators.network_settings import NetworkSettings
from generators.training.settings import TrainingSettings

#: Names of univariate maps with a number of bins and a bound.
SPLINES = ("rational_quadratic", "quadratic", "cubic", "linear")


@dataclass(kw_only=True, eq=False)
class SplineFlowSettings(NetworkSettings):
    """What both kinds share: `blocks` spline transforms one after another, with networks of one size."""

    kind: ClassVar[str]

    spline: str = "rational_quadratic"
    blocks: int = 2
    hidden: int = 64
    layers: int = 2
    bins: int = 8
    tail_bound: float = 5.0
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=2400, batch_size=2048, learning_rate=8e-3, weight_decay=1e-5, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        require_sizes(self.kind, blocks=self.blocks, hidden=self.hidden, layers=self.layers)
        if self.spline not in SPLINES:
            raise HyperparameterError(f"spline '{self.spline}' of {self.kind} is not one of {', '.join(SPLINES)}.")
        # Every bin keeps a thousandth of the interval.
        if not 2 <= self.bins <= 500:
            raise HyperparameterError(f"bins = {self.bins} of {self.kind} must lie between 2 and 500.")
        if not self.tail_bound > 0:
            raise HyperparameterError(f"tail_bound = {self.tail_bound} of {self.kind} must be positive.")


@dataclass(kw_only=True, eq=False)
class AutoregressiveSplineSettings(SplineFlowSettings):
    """Of `AutoregressiveSplineFlow`."""

    kind: ClassVar[str] = "autoregressive_spline"


@dataclass(kw_only=True, eq=False)
class CouplingSplineSettings(SplineFlowSettings):
    """Of `CouplingSplineFlow`."""

    kind: ClassVar[str] = "coupling_spline"

    blocks: int = 6
