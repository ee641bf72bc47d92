"""Piecewise cubic maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from generators.flows.bins import check_bins, holding, pick, shares, starts
from generators.flows.root import increasing_root

#: Smallest width and height of a bin over 2B, as in nflows.
MINIMUM_SIZE = 1e-3

#: Newton steps of the inverse: enough for the flattest bin there can be, in double precision.
_STEPS = 24


@dataclass(frozen=True)
class CubicSpline:
    """Increasing, piecewise cubic map of [−B, B] to itself, the identity outside (Durkan et al., 1906.02145).

    Monotone by the slopes of Steffen (1990) at the inner knots. A map has 2K + 2 parameters: widths and heights of K
    bins by a softmax each, and the slopes at −B and B by a sigmoid as shares of the steepest ones that a monotone cubic
    may have, which leave `minimum` to either side. With a `minimum` of zero the map is that of nflows, whose slope can
    vanish at the ends. The inverse is found by Newton's method.
    """

    bins: int
    bound: float
    minimum: float = 1e-3

    def __post_init__(self) -> None:
        check_bins(self.bins, self.bound, fewest=1, most=500)

    @property
    def parameters(self) -> int:
        """Number of parameters of one map."""
        return 2 * self.bins + 2

    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (…) with parameters (2K + 2, …) to y (…) and log dy/dx (…)."""
        inside = x.clamp(-self.bound, self.bound)
        left, bottom, width, mean, s0, s1 = self._bin(inside, parameters, axis=0)
        share = ((inside - left) / width).clamp(0, 1)
        inner = x == inside
        return (
            torch.where(inner, bottom + width * _rise(share, mean, s0, s1), x),
            torch.where(inner, _slope(share, mean, s0, s1).log(), 0.0),
        )

    def inverse(self, y: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Map y (…) back to x (…) and log dx/dy (…)."""
        inside = y.clamp(-self.bound, self.bound)
        left, bottom, width, mean, s0, s1 = self._bin(inside, parameters, axis=1)
        wanted = (inside - bottom) / width

        def beyond(share: Tensor) -> tuple[Tensor, Tensor]:
            return _rise(share, mean, s0, s1) - wanted, _slope(share, mean, s0, s1)

        ends = torch.zeros_like(wanted), torch.ones_like(wanted)
        share = increasing_root(beyond, *ends, steps=_STEPS).clamp(0, 1)
        inner = y == inside
        return (
            torch.where(inner, left + width * share, y),
            torch.where(inner, -_slope(share, mean, s0, s1).log(), 0.0),
        )

    def _bin(
        self, value: Tensor, parameters: Tensor, *, axis: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Left end in x and y, width, mean slope and slopes at both ends of the bin that holds `value`.

        `axis` says whether `value` is on x (0) or on y (1).
        """
        widths = 2 * self.bound * shares(parameters[: self.bins], MINIMUM_SIZE)
        heights = 2 * self.bound * shares(parameters[self.bins : 2 * self.bins], MINIMUM_SIZE)
        means = heights / widths
        ends = 3 * (self.minimum + (1 - 2 * self.minimum) * parameters[2 * self.bins :].sigmoid())
        before, after = means[:-1], means[1:]
        between = (widths[1:] * before + widths[:-1] * after) / (widths[:-1] + widths[1:])
        inner = torch.minimum(2 * torch.minimum(before, after), between)
        slopes = torch.cat([ends[:1] * means[:1], inner, ends[1:] * means[-1:]])
        left, bottom = starts(widths, self.bound), starts(heights, self.bound)
        index = holding(value, bottom if axis else left)
        return (
            pick(left, index),
            pick(bottom, index),
            pick(widths, index),
            pick(means, index),
            pick(slopes, index),
            pick(slopes, index + 1),
        )


def _rise(share: Tensor, mean: Tensor, s0: Tensor, s1: Tensor) -> Tensor:
    """Rise over the width up to a share of a bin of mean slope `mean` with slopes s0 and s1 at its ends."""
    return share * (s0 + share * (3 * mean - 2 * s0 - s1 + share * (s0 + s1 - 2 * mean)))


def _slope(share: Tensor, mean: Tensor, s0: Tensor, s1: Tensor) -> Tensor:
    """Slope at a share of the bin; as a sum of which no term but the middle one can be negative."""
    rest = 1 - share
    return s0 * rest.square() + 2 * (3 * mean - s0 - s1) * share * rest + s1 * share.square()
