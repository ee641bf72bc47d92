"""Conditional normal distribution as a flow of one linear layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from typing_extensions import override

from generators.flows.lu_linear import LULinear
from generators.flows.sizes import require_sizes
from generators.registry import register
from generators.tabular.base import ConditionalDensity, TabularDensity
from generators.tabular.composed import ComposedFlow
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class LinearFlow(TabularDensity):
    """Normal distribution with full covariance behind the bijection; see `generators.flows.lu_linear`.

    Means and scales follow the context by a network with `layers` hidden layers of `hidden` units, the triangular
    factors do not depend on it. Behind the quantile map, which is the default, this is a Gaussian copula: what remains
    to be explained by any other flow is structure beyond correlation.
    """

    kind: ClassVar[str] = "linear_flow"

    hidden: int = 32
    layers: int = 2
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=800, batch_size=2048, learning_rate=1e-2, weight_decay=1e-5, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        require_sizes(self.kind, hidden=self.hidden, layers=self.layers)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        return ComposedFlow(features, [LULinear(features, context, hidden=self.hidden, layers=self.layers)])
