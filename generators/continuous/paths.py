"""Probability paths between noise (t = 0) and data (t = 1)."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor


class Path(Protocol):
    """A point on the way from noise to data, and the speed there."""

    def point(self, noise: Tensor, data: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """x_t and dx_t/dt for noise and data (N, D) at times t (N, 1)."""
        ...


class StraightPath:
    """x_t = (1 − t) noise + t data (Lipman et al., 2210.02747; Liu et al., 2209.03003)."""

    def point(self, noise: Tensor, data: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """See `Path`."""
        return torch.lerp(noise, data, t), data - noise


class TrigonometricPath:
    """x_t = cos(πt/2) noise + sin(πt/2) data (Albergo & Vanden-Eijnden, 2209.15571).

    The variance stays one all along the way when data have unit variance, and for normal, independent features the
    optimal velocity is zero everywhere. Behind a quantile-to-normal bijection a network therefore learns the
    correlations and nothing else, and few solver steps are enough.
    """

    def point(self, noise: Tensor, data: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """See `Path`."""
        angle = t * (math.pi / 2)
        sin, cos = torch.sin(angle), torch.cos(angle)
        return cos * noise + sin * data, (math.pi / 2) * (cos * data - sin * noise)


PATHS: dict[str, type[Path]] = {"straight": StraightPath, "trigonometric": TrigonometricPath}
