"""Flows of rational-quadratic splines, autoregressive and coupling."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

from generators.errors import HyperparameterError
from generators.flows.autoregressive import AutoregressiveSpline, Reversal
from generators.flows.coupling import CouplingSpline, transformed_features
from generators.registry import register
from generators.tabular.composed import ComposedFlow
from generators.tabular.frame import ConditionalDensity, TabularDensity
from generators.training.settings import TrainingSettings


@dataclass(kw_only=True, eq=False)
class _SplineFlow(TabularDensity):
    """What both kinds share: `blocks` spline transforms one after another, with networks of one size."""

    blocks: int = 2
    hidden: int = 64
    layers: int = 2
    bins: int = 8
    tail_bound: float = 5.0
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=1200, batch_size=2048, learning_rate=4e-3, weight_decay=1e-5, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        for name in ("blocks", "hidden", "layers"):
            if getattr(self, name) < 1:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be at least 1.")
        # Every bin keeps a thousandth of the interval.
        if not 2 <= self.bins <= 500:
            raise HyperparameterError(f"bins = {self.bins} of {self.kind} must lie between 2 and 500.")
        if not self.tail_bound > 0:
            raise HyperparameterError(f"tail_bound = {self.tail_bound} of {self.kind} must be positive.")

    @abstractmethod
    def _block(self, index: int, features: int, context: int) -> list[nn.Module]:
        """The transforms of one block."""

    def build(self, features: int, context: int) -> ConditionalDensity:
        """See `TabularDensity`."""
        transforms = (self._block(index, features, context) for index in range(self.blocks))
        return ComposedFlow(features, itertools.chain.from_iterable(transforms))

    def _sizes(self) -> dict[str, Any]:
        return {"hidden": self.hidden, "layers": self.layers, "bins": self.bins, "bound": self.tail_bound}


@register
@dataclass(kw_only=True, eq=False)
class AutoregressiveSplineFlow(_SplineFlow):
    """Autoregressive rational-quadratic spline flow (Durkan et al., 1906.04032).

    `blocks` transforms, each of every feature given the context and the ones before it, with a reversal of the order
    after each. The masked network of a block has `layers` hidden layers of `hidden` units; the splines have `bins` bins
    on [−tail_bound, tail_bound] and are the identity outside. Sampling passes each network once per feature.
    """

    kind: ClassVar[str] = "autoregressive_spline"

    def _block(self, index: int, features: int, context: int) -> list[nn.Module]:
        return [AutoregressiveSpline(features, context, **self._sizes()), Reversal()]


@register
@dataclass(kw_only=True, eq=False)
class CouplingSplineFlow(_SplineFlow):
    """Coupling rational-quadratic spline flow (Durkan et al., 1906.04032).

    `blocks` transforms, each of one half of the features given the context and the other half; see
    `transformed_features` for the halves. Other fields as in `AutoregressiveSplineFlow`; sampling is as fast as
    training.
    """

    kind: ClassVar[str] = "coupling_spline"

    blocks: int = 6

    def _block(self, index: int, features: int, context: int) -> list[nn.Module]:
        return [CouplingSpline(transformed_features(index, features), context, **self._sizes())]
