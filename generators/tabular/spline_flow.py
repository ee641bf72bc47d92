"""Flows of splines, autoregressive and coupling."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nflows.transforms.base import Transform
from typing_extensions import override

from generators.errors import HyperparameterError
from generators.flows.cubic_spline import CubicSpline
from generators.flows.linear_spline import LinearSpline
from generators.flows.quadratic_spline import QuadraticSpline
from generators.flows.rational_quadratic import RationalQuadratic
from generators.flows.stacks import autoregressive_stack, coupling_stack, require_sizes
from generators.flows.univariate import Univariate
from generators.registry import register
from generators.tabular.base import ConditionalDensity, TabularDensity
from generators.tabular.composed import ComposedFlow
from generators.training.settings import TrainingSettings

#: Univariate maps with a number of bins and a bound.
SPLINES: dict[str, Callable[[int, float], Univariate]] = {
    "rational_quadratic": RationalQuadratic,
    "quadratic": QuadraticSpline,
    "cubic": CubicSpline,
    "linear": LinearSpline,
}


@dataclass(kw_only=True, eq=False)
class _SplineFlow(TabularDensity):
    """What both kinds share: `blocks` spline transforms one after another, with networks of one size."""

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

    @abstractmethod
    def _stack(self, univariate: Univariate, features: int, context: int, **sizes: Any) -> list[Transform]:
        """The transforms of all blocks."""

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        univariate = SPLINES[self.spline](self.bins, self.tail_bound)
        sizes = {"blocks": self.blocks, "hidden": self.hidden, "layers": self.layers}
        return ComposedFlow(features, self._stack(univariate, features, context, **sizes))


@register
@dataclass(kw_only=True, eq=False)
class AutoregressiveSplineFlow(_SplineFlow):
    """Autoregressive spline flow (Durkan et al., 1906.04032).

    `blocks` transforms, each of every feature given the context and the ones before it, every other one in the reverse
    order. The masked network of a block has `layers` hidden layers of `hidden` units. The splines are
    "rational_quadratic", "quadratic", "cubic" or "linear", with `bins` bins on [−tail_bound, tail_bound], and the
    identity outside. A density takes one pass of the networks; a sample too, but feature by feature.
    """

    kind: ClassVar[str] = "autoregressive_spline"

    def _stack(self, univariate: Univariate, features: int, context: int, **sizes: Any) -> list[Transform]:
        return autoregressive_stack(univariate, features, context, **sizes)


@register
@dataclass(kw_only=True, eq=False)
class CouplingSplineFlow(_SplineFlow):
    """Coupling spline flow (Durkan et al., 1906.04032).

    `blocks` transforms, each of one half of the features given the context and the other half; see
    `transformed_features` for the halves. Other fields as in `AutoregressiveSplineFlow`; sampling is as fast as
    training.
    """

    kind: ClassVar[str] = "coupling_spline"

    blocks: int = 6

    def _stack(self, univariate: Univariate, features: int, context: int, **sizes: Any) -> list[Transform]:
        return coupling_stack(univariate, features, context, **sizes)
