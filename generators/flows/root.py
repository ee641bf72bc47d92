"""Roots of increasing functions, all elements at once and in a fixed number of steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

ValueAndSlope = Callable[[Tensor], tuple[Tensor, Tensor]]


def increasing_root(function: ValueAndSlope, low: Tensor, high: Tensor, *, steps: int) -> Tensor:
    """Where an increasing function with its root in [low, high] vanishes; all shapes (…).

    Newton's method, with a bisection wherever it would leave the bracket or fails to halve its step. The number of
    steps is fixed, so nothing waits for the device. Derivatives with respect to what `function` closes over are those
    of the implicit function.
    """
    with torch.no_grad():
        x = best = 0.5 * (low + high)
        step, least = high - low, torch.full_like(x, torch.inf)
        for _ in range(steps):
            value, slope = function(x)
            # At the root rounding stops all progress, which looks like a failure of Newton: remember the best place.
            best, least = torch.where(value.abs() < least, x, best), torch.minimum(value.abs(), least)
            low, high = torch.where(value < 0, x, low), torch.where(value > 0, x, high)
            newton = x - value / slope
            trusted = (newton >= low) & (newton <= high) & (2 * value.abs() <= (step * slope).abs())
            following = torch.where(trusted, newton, 0.5 * (low + high))
            step, x = following - x, following
    value, slope = function(best)
    # The last step of Newton carries the derivative; it moves nothing that has converged.
    return best - value / slope.detach()
