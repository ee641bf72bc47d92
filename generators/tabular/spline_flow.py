"""Flows of splines, autoregressive and coupling."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from nflows.transforms.base import Transform
from typing_extensions import override

from generators.flows.cubic_spline import CubicSpline
from generators.flows.linear_spline import LinearSpline
from generators.flows.quadratic_spline import QuadraticSpline
from generators.flows.rational_quadratic import RationalQuadratic
from generators.flows.stacks import autoregressive_stack, coupling_stack
from generators.flows.univariate import Univariate
from generators.registry import register
from generators.tabular.base import ConditionalDensity, TabularDensity
from generators.tabular.composed import ComposedFlow
from generators.tabular.spline_settings import (
    AutoregressiveSplineSettings,
    CouplingSplineSettings,
    SplineFlowSettings,
)

#: Univariate maps with a number of bins and a bound.
_UNIVARIATE: dict[str, Callable[[int, float], Univariate]] = {
    "rational_quadratic": RationalQuadratic,
    "quadratic": QuadraticSpline,
    "cubic": CubicSpline,
    "linear": LinearSpline,
}


@dataclass(kw_only=True, eq=False)
class _SplineFlow(SplineFlowSettings, TabularDensity):
    """The network of both kinds."""

    @abstractmethod
    def _stack(self, univariate: Univariate, features: int, context: int, **sizes: Any) -> list[Transform]:
        """The transforms of all blocks."""

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        univariate = _UNIVARIATE[self.spline](self.bins, self.tail_bound)
        sizes = {"blocks": self.blocks, "hidden": self.hidden, "layers": self.layers}
        return ComposedFlow(features, self._stack(univariate, features, context, **sizes))


@register
@dataclass(kw_only=True, eq=False)
class AutoregressiveSplineFlow(AutoregressiveSplineSettings, _SplineFlow):
    """Autoregressive spline flow (Durkan et al., 1906.04032).

    `blocks` transforms, each of every feature given the context and the ones before it, every other one in the reverse
    order. The masked network of a block has `layers` hidden layers of `hidden` units. The splines are
    "rational_quadratic", "quadratic", "cubic" or "linear", with `bins` bins on [−tail_bound, tail_bound], and the
    identity outside. A density takes one pass of the networks; a sample too, but feature by feature.

    >>> import numpy as np
    >>> from generators.training.settings import TrainingSettings
    >>> rng = np.random.default_rng(1)
    >>> mass = rng.uniform(2, 3, (200, 1))
    >>> flow = AutoregressiveSplineFlow(blocks=1, hidden=8, training=TrainingSettings(steps=2, batch_size=64))
    >>> flow = flow.fit(rng.normal(mass, 0.1), mass, seed=1)
    >>> flow.sample(np.array([2.2, 2.8]), seed=2).shape, flow.log_prob(np.zeros((2, 1)), np.array([2.2, 2.8])).shape
    ((2, 1), (2,))
    """

    kind: ClassVar[str] = AutoregressiveSplineSettings.kind

    def _stack(self, univariate: Univariate, features: int, context: int, **sizes: Any) -> list[Transform]:
        return autoregressive_stack(univariate, features, context, **sizes)


@register
@dataclass(kw_only=True, eq=False)
class CouplingSplineFlow(CouplingSplineSettings, _SplineFlow):
    """Coupling spline flow (Durkan et al., 1906.04032).

    `blocks` transforms, each of one half of the features given the context and the other half; see
    `transformed_features` for the halves. Other fields as in `AutoregressiveSplineFlow`; sampling is as fast as
    training.

    >>> import numpy as np
    >>> from generators.training.settings import TrainingSettings
    >>> rng = np.random.default_rng(1)
    >>> mass = rng.uniform(2, 3, (200, 1))
    >>> flow = CouplingSplineFlow(blocks=2, hidden=8, training=TrainingSettings(steps=2, batch_size=64))
    >>> flow.fit(rng.normal(mass, 0.1, (200, 2)), mass, seed=1).sample(np.array([2.2, 2.8]), seed=2).shape
    (2, 2)
    """

    kind: ClassVar[str] = CouplingSplineSettings.kind

    def _stack(self, univariate: Univariate, features: int, context: int, **sizes: Any) -> list[Transform]:
        return coupling_stack(univariate, features, context, **sizes)
