"""Features that are independent of each other at any given context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch.nn import functional
from typing_extensions import override

from generators.flows.bins import check_bins
from generators.flows.coupling import Coupling
from generators.flows.rational_quadratic import RationalQuadratic
from generators.flows.sizes import require_sizes
from generators.networks.mlp import ParameterMLP
from generators.registry import register
from generators.tabular.base import ConditionalDensity, TabularDensity
from generators.tabular.composed import ComposedFlow
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class ElementwiseFlow(TabularDensity):
    """Every feature through its own rational-quadratic spline, whose parameters follow the context and nothing else.

    The product of conditional marginals: what any other density gains over it is the information that the features have
    of each other. The network of the context has `layers` hidden layers of `hidden` units; the splines (Durkan et al.,
    1906.04032) have `bins` bins on [−tail_bound, tail_bound] and are the identity outside.
    """

    kind: ClassVar[str] = "elementwise"

    hidden: int = 64
    layers: int = 2
    bins: int = 8
    tail_bound: float = 5.0
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=800, batch_size=2048, learning_rate=4e-3, weight_decay=1e-5, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        require_sizes(self.kind, hidden=self.hidden, layers=self.layers)
        check_bins(self.bins, self.tail_bound, fewest=2, most=500)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        univariate = RationalQuadratic(self.bins, self.tail_bound)
        network = ParameterMLP(
            0,
            context,
            hidden=self.hidden,
            layers=self.layers,
            numbers=features,
            parameters=univariate.parameters,
            activation=functional.silu,
        )
        # A coupling that is given no feature and transforms them all.
        return ComposedFlow(features, [Coupling([1] * features, network, univariate)])
