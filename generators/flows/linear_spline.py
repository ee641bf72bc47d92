"""Piecewise linear maps with bins of equal width."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from generators.flows.bins import check_bins, holding, pick, shares, starts


@dataclass(frozen=True)
class LinearSpline:
    """Increasing, piecewise linear map of [−B, B] to itself, the identity outside (Müller et al., 1808.03856).

    A map has K parameters, the softmax of which are the heights of K bins of equal width, none less than `minimum` of
    the whole. With a `minimum` of zero it is that of nflows, which no single precision can invert where a bin is flat.
    """

    bins: int
    bound: float
    minimum: float = 1e-3

    def __post_init__(self) -> None:
        check_bins(self.bins, self.bound, fewest=1, most=500)

    @property
    def parameters(self) -> int:
        """Number of parameters of one map."""
        return self.bins

    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (…) with parameters (K, …) to y (…) and log dy/dx (…)."""
        inside = x.clamp(-self.bound, self.bound)
        position = (inside + self.bound) / self._width
        # The second clamp is for the upper end, and for the index of NaN, which is anything.
        index = position.long().clamp(0, self.bins - 1)
        height, bottom = self._bin(parameters, index)
        y = bottom + (position - index) * height
        inner = x == inside
        return torch.where(inner, y, x), torch.where(inner, (height / self._width).log(), 0.0)

    def inverse(self, y: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Map y (…) back to x (…) and log dx/dy (…)."""
        inside = y.clamp(-self.bound, self.bound)
        heights = self._heights(parameters)
        bottoms = starts(heights, self.bound)
        index = holding(inside, bottoms)
        height, bottom = pick(heights, index), pick(bottoms, index)
        share = ((inside - bottom) / height).clamp(0, 1)
        x = (index + share) * self._width - self.bound
        inner = y == inside
        return torch.where(inner, x, y), torch.where(inner, -(height / self._width).log(), 0.0)

    @property
    def _width(self) -> float:
        return 2 * self.bound / self.bins

    def _heights(self, parameters: Tensor) -> Tensor:
        return (2 * self.bound) * shares(parameters, self.minimum)

    def _bin(self, parameters: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        heights = self._heights(parameters)
        return pick(heights, index), pick(starts(heights, self.bound), index)
