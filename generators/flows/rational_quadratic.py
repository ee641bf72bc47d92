"""Monotonic rational-quadratic splines with linear tails, without masks, branches or host synchronisation.

The bins are the first axis: a softmax over a last axis of eight elements can not be vectorised and would take
more time than everything else together.

Durkan et al., 1906.04032. Parameters and conventions are those of nflows, so weights trained with either are the same
function: identity outside of [−B, B], slopes one at ±B, softmax widths and heights, softplus inner slopes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from generators.flows.composed_spline import MINIMUM, composed, composed_inverse
from generators.recording import recording


@dataclass(frozen=True)
class RationalQuadratic:
    """Univariate map (see `generators.flows.univariate`) by a spline of `bins` bins on [−bound, bound].

    `minimum` is the smallest width and height of a bin over 2 · bound, and the smallest slope.
    """

    bins: int = 8
    bound: float = 5.0
    minimum: float = MINIMUM

    @property
    def parameters(self) -> int:
        """3K − 1: widths, heights, inner slopes."""
        return 3 * self.bins - 1

    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (…) with parameters (3K − 1, …) to y (…) and log dy/dx (…)."""
        return rational_quadratic(x, parameters, bound=self.bound, minimum=self.minimum)

    def inverse(self, y: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Map y (…) back to x (…), and give log dx/dy (…)."""
        return rational_quadratic_inverse(y, parameters, bound=self.bound, minimum=self.minimum)


def rational_quadratic(
    x: Tensor, parameters: Tensor, *, bound: float, minimum: float = MINIMUM
) -> tuple[Tensor, Tensor]:
    """Map x (…) through splines with parameters (3K − 1, …) to y (…) and log dy/dx (…)."""
    if _compilable(x, parameters):
        from generators.flows import fused

        return fused.forward(x, parameters, bound, minimum)
    return composed(x, parameters, bound=bound, minimum=minimum)


def rational_quadratic_inverse(
    y: Tensor, parameters: Tensor, *, bound: float, minimum: float = MINIMUM
) -> tuple[Tensor, Tensor]:
    """Map y (…) back to x (…) and log dx/dy (…); parameters as in `rational_quadratic`."""
    if _compilable(y, parameters):
        from generators.flows import fused

        return fused.inverse(y, parameters, bound, minimum)
    return composed_inverse(y, parameters, bound=bound, minimum=minimum)


def _compilable(x: Tensor, parameters: Tensor) -> bool:
    """Whether the compiled kernels can be used: on a CPU, and where nobody records what torch does."""
    return (
        x.device.type == "cpu"
        and x.dtype == parameters.dtype
        and x.dtype in (torch.float32, torch.float64)
        and not (torch.compiler.is_compiling() or recording())
    )
