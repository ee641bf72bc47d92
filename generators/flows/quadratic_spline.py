"""Piecewise quadratic maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from generators.flows.bins import check_bins, holding, pick, shares, starts

#: Smallest width of a bin over 2B and smallest slope, as in nflows.
MINIMUM_WIDTH = 1e-3
MINIMUM_SLOPE = 1e-3


@dataclass(frozen=True)
class QuadraticSpline:
    """Increasing, piecewise quadratic map of [−B, B] to itself, the identity outside (Müller et al., 1808.03856).

    The slope is continuous and linear in each of K bins. A map has 2K − 1 parameters: K give the widths by a softmax,
    K − 1 the slopes at the inner knots by a softplus and the condition that the whole rises by 2B. Parameters and
    function are those of nflows; the slopes at ±B follow from the others as there, near one but not exactly.
    """

    bins: int
    bound: float

    def __post_init__(self) -> None:
        check_bins(self.bins, self.bound, fewest=2, most=500)

    @property
    def parameters(self) -> int:
        """Number of parameters of one map."""
        return 2 * self.bins - 1

    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (…) with parameters (2K − 1, …) to y (…) and log dy/dx (…)."""
        inside = x.clamp(-self.bound, self.bound)
        left, bottom, width, s0, s1 = self._bin(inside, parameters, axis=0)
        share = ((inside - left) / width).clamp(0, 1)
        y = bottom + width * share * (s0 + 0.5 * (s1 - s0) * share)
        inner = x == inside
        return torch.where(inner, y, x), torch.where(inner, torch.lerp(s0, s1, share).log(), 0.0)

    def inverse(self, y: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Map y (…) back to x (…) and log dx/dy (…)."""
        inside = y.clamp(-self.bound, self.bound)
        left, bottom, width, s0, s1 = self._bin(inside, parameters, axis=1)
        rise = ((inside - bottom) / width).clamp(min=0)
        # The root in the form that neither cancels nor divides by a difference of slopes. What is under the square root
        # is the slope squared at the wanted place, which only rounding takes below the smallest slope there is.
        slope = (s0.square() + 2 * (s1 - s0) * rise).clamp(min=MINIMUM_SLOPE**2).sqrt()
        share = (2 * rise / (s0 + slope)).clamp(0, 1)
        inner = y == inside
        return (
            torch.where(inner, left + width * share, y),
            torch.where(inner, -torch.lerp(s0, s1, share).log(), 0.0),
        )

    def _bin(self, value: Tensor, parameters: Tensor, *, axis: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Left end in x and y, width, and slopes at both ends of the bin that holds `value` on x (0) or y (1)."""
        widths = shares(parameters[: self.bins], MINIMUM_WIDTH)
        inner = functional.softplus(parameters[self.bins :]) + 1e-3
        first, last = 0.25 * widths[:1], 0.25 * widths[-1:]
        between = (0.5 * (inner[:-1] + inner[1:]) * widths[1:-1]).sum(dim=0, keepdim=True)
        edge = (first * inner[:1] + last * inner[-1:] + between) / (1 - first - last)
        raw = torch.cat([edge, inner, edge])
        mean = 0.5 * (raw[:-1] + raw[1:])
        total = (mean * widths).sum(dim=0, keepdim=True)
        slopes = MINIMUM_SLOPE + (1 - MINIMUM_SLOPE) * raw / total
        widths = 2 * self.bound * widths
        left = starts(widths, self.bound)
        bottom = starts(0.5 * (slopes[:-1] + slopes[1:]) * widths, self.bound)
        index = holding(value, bottom if axis else left)
        return (
            pick(left, index),
            pick(bottom, index),
            pick(widths, index),
            pick(slopes, index),
            pick(slopes, index + 1),
        )
