"""The formulae of the rational-quadratic spline as a chain of torch operations.

For any device, graph and order of derivatives; `generators.flows.fused` computes the same in compiled kernels. Durkan
et al., 1906.04032, in the conventions of nflows.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

#: Smallest width and height of a bin over 2B, and smallest slope, as in nflows.
MINIMUM = 1e-3


def composed(x: Tensor, parameters: Tensor, *, bound: float, minimum: float = MINIMUM) -> tuple[Tensor, Tensor]:
    """`rational_quadratic` as a chain of torch operations, for any device, graph and order of derivatives."""
    inside = x.clamp(-bound, bound)
    left_x, left_y, width, height, s0, s1 = _bin(inside, parameters, bound, minimum, axis=0)
    mean = height / width
    theta = ((inside - left_x) / width).clamp(0, 1)
    bend = theta * (1 - theta)
    below = mean + (s0 + s1 - 2 * mean) * bend
    y = left_y + height * (mean * theta.square() + s0 * bend) / below
    inner = x == inside
    return torch.where(inner, y, x), torch.where(inner, _log_slope(theta, bend, mean, below, s0, s1), 0.0)


def composed_inverse(y: Tensor, parameters: Tensor, *, bound: float, minimum: float = MINIMUM) -> tuple[Tensor, Tensor]:
    """`rational_quadratic_inverse` as a chain of torch operations."""
    inside = y.clamp(-bound, bound)
    left_x, left_y, width, height, s0, s1 = _bin(inside, parameters, bound, minimum, axis=1)
    mean = height / width
    curvature = s0 + s1 - 2 * mean
    eta = ((inside - left_y) / height).clamp(0, 1)
    # a θ² + b θ = c, by the form of its root that neither cancels nor needs a positive a; the discriminant is positive
    # in exact arithmetic and clamped where rounding says otherwise (nflows issue 87).
    b = s0 - eta * curvature
    a = mean - b
    c = mean * eta
    theta = (2 * c / (b + (b.square() + 4 * a * c).clamp(min=0).sqrt())).clamp(0, 1)
    bend = theta * (1 - theta)
    below = mean + curvature * bend
    inner = y == inside
    return torch.where(inner, left_x + width * theta, y), torch.where(
        inner, -_log_slope(theta, bend, mean, below, s0, s1), 0.0
    )


def _log_slope(theta: Tensor, bend: Tensor, mean: Tensor, below: Tensor, s0: Tensor, s1: Tensor) -> Tensor:
    """Log dy/dx at the relative position θ in a bin of mean slope `mean` with slopes s0 and s1 at its ends."""
    rise = s1 * theta.square() + 2 * mean * bend + s0 * (1 - theta).square()
    return 2 * (mean / below).log() + rise.log()


def _bin(
    value: Tensor, parameters: Tensor, bound: float, minimum: float, *, axis: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Left end in x and y, width, height, and slopes at both ends of the bin that holds `value` on x (0) or y (1)."""
    bins = (len(parameters) + 1) // 3
    shares = parameters[: 2 * bins].reshape(2, bins, *value.shape).softmax(dim=1)
    sizes = (2 * bound) * (minimum + (1 - minimum * bins) * shares)
    inner = sizes[:, :-1].cumsum(dim=1) - bound
    index = (value >= inner[axis]).sum(dim=0, keepdim=True)
    both = index.expand(2, 1, *value.shape)
    size = sizes.gather(1, both)[:, 0]
    left = torch.cat([torch.full_like(inner[:, :1], -bound), inner], dim=1).gather(1, both)[:, 0]
    unit = torch.full_like(parameters[:1], math.log(math.expm1(1 - minimum)))
    slopes = torch.cat([unit, parameters[2 * bins :], unit])
    s = minimum + functional.softplus(slopes.gather(0, torch.cat([index, index + 1])))
    return left[0], left[1], size[0], size[1], s[0], s[1]
