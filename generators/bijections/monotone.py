"""Monotone rational-quadratic interpolation between knots (Gregory & Delbourgo 1982), value, slope and inverse."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Knots over which the slope at an end is taken.
_END = 3


@dataclass(frozen=True)
class MonotoneSpline:
    """Continuously differentiable increasing functions through knots, one for each of D features.

    `x`, `y` ascending and `slopes` positive, all (D, K). Arguments are (D, N) and lie within the knots.
    """

    x: Tensor
    y: Tensor
    slopes: Tensor

    @classmethod
    def through(cls, x: Tensor, y: Tensor) -> MonotoneSpline:
        """The functions through x and y (D, K) with the slopes of `monotone_slopes`."""
        return cls(x, y, monotone_slopes(x, y))

    def value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The functions at x (D, N) and the logarithms of their slopes."""
        x0, width, y0, height, r0, r1 = self._interval(self.x, x)
        theta = ((x - x0) / width).clamp(0, 1)
        bend = theta * (1 - theta)
        below = 1 + (r0 + r1 - 2) * bend
        slope = height / width * (r1 * theta**2 + 2 * bend + r0 * (1 - theta) ** 2) / below**2
        return y0 + height * (theta**2 + r0 * bend) / below, slope.log()

    def inverse(self, y: Tensor) -> Tensor:
        """Where the functions have the values y (D, N)."""
        x0, width, y0, height, r0, r1 = self._interval(self.y, y)
        eta = ((y - y0) / height).clamp(0, 1)
        # The quadratic a θ² + b θ = η in the form of its root that never cancels.
        b = r0 - eta * (r0 + r1 - 2)
        a = 1 - b
        root = (b**2 + 4 * a * eta).clamp(min=0).sqrt()
        return x0 + width * (2 * eta / (b + root))

    def _interval(self, knots: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Left knot, width, lower end, height, and the slopes at both ends over the mean slope, all (D, N)."""
        right = torch.searchsorted(knots.detach(), values.detach(), right=True).clamp(1, knots.shape[1] - 1)
        left = right - 1
        x0, y0 = self.x.gather(1, left), self.y.gather(1, left)
        width, height = self.x.gather(1, right) - x0, self.y.gather(1, right) - y0
        mean = height / width
        return x0, width, y0, height, self.slopes.gather(1, left) / mean, self.slopes.gather(1, right) / mean


def monotone_slopes(x: Tensor, y: Tensor) -> Tensor:
    """Slopes at knots (…, K): weighted harmonic means (Fritsch & Butland 1984), at the ends the flattest near secant.

    The gap between the last two events can be small by chance; a tail as steep as that would throw every later event
    that lies outside far into the tail of the normal.
    """
    width = x.diff()
    secant = y.diff() / width
    before, after = 2 * width[..., 1:] + width[..., :-1], width[..., 1:] + 2 * width[..., :-1]
    inner = (before + after) / (before / secant[..., :-1] + after / secant[..., 1:])
    reach = min(_END, x.shape[-1] - 1)
    first = (y[..., 1 : reach + 1] - y[..., :1]) / (x[..., 1 : reach + 1] - x[..., :1])
    final = (y[..., -1:] - y[..., -reach - 1 : -1]) / (x[..., -1:] - x[..., -reach - 1 : -1])
    return torch.cat([first.amin(-1, keepdim=True), inner, final.amin(-1, keepdim=True)], dim=-1)
