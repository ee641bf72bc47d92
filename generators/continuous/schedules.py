"""Schedules: how much data and how much noise there is at a time between noise (t = 0) and data (t = 1)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override


class Schedule(ABC):
    """The Gaussian path x_t = α(t) data + σ(t) noise; nearly or exactly noise at t = 0 and data at t = 1.

    Times are tensors of any shape; α, σ and their rates have the same. In polar coordinates, α = r sin φ and
    σ = r cos φ with the angle φ from 0 (noise) to π/2 (data), all schedules are one trigonometric path, at a
    pace and on a scale r of their own; see `generators.continuous.velocities`.

    A new schedule implements `alpha_sigma`, `rates` and `time`.
    """

    @abstractmethod
    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """α(t) and σ(t)."""

    @abstractmethod
    def rates(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """dα/dt and dσ/dt."""

    @abstractmethod
    def time(self, angle: Tensor) -> Tensor:
        """The time at which the angle is φ: the inverse of `angle`."""

    def scale(self, t: Tensor) -> Tensor:
        """r(t) = √(α² + σ²): the standard deviation of x_t for data of unit variance."""
        return torch.hypot(*self.alpha_sigma(t))

    def angle(self, t: Tensor) -> Tensor:
        """φ(t) = arctan(α / σ)."""
        return torch.atan2(*self.alpha_sigma(t))

    def turns(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """The rates d ln r/dt and dφ/dt."""
        (a, s), (da, ds) = self.alpha_sigma(t), self.rates(t)
        square = a.square() + s.square()
        return (a * da + s * ds) / square, (da * s - a * ds) / square

    @property
    def ends(self) -> tuple[float, float]:
        """What makes a start of unit noise, and an end of data: r at t = 0 and α at t = 1."""
        t = torch.tensor([0.0, 1.0], dtype=torch.float64)
        return float(self.scale(t)[0]), float(self.alpha_sigma(t)[0][1])

    def point(self, noise: Tensor, data: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """x_t and dx_t/dt for noise and data (N, *event) at times t (N,) or ()."""
        (a, s), (da, ds) = (
            tuple(rowwise(part, data) for part in pair) for pair in (self.alpha_sigma(t), self.rates(t))
        )
        return a * data + s * noise, da * data + ds * noise


def rowwise(values: Tensor, like: Tensor) -> Tensor:
    """Values (N,) or () in a shape that multiplies `like` (N, *event) row by row."""
    return values.reshape(values.shape + (1,) * (like.ndim - 1)) if values.ndim else values


class Straight(Schedule):
    """x_t = t data + (1 − t) noise (Lipman et al., 2210.02747; Liu et al., 2209.03003)."""

    @override
    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return t, 1 - t

    @override
    def rates(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(t), -torch.ones_like(t)

    @override
    def time(self, angle: Tensor) -> Tensor:
        sin, cos = torch.sin(angle), torch.cos(angle)
        return sin / (sin + cos)


@dataclass(frozen=True)
class Trigonometric(Schedule):
    """x_t = sin(πt/2) data + cos(πt/2) noise (Albergo & Vanden-Eijnden, 2209.15571): the trigonometric path itself.

    The variance stays one all along the way when data have unit variance, and for normal, independent features the
    optimal velocity is zero everywhere. Behind a quantile-to-normal bijection a network therefore learns the
    correlations and nothing else, and few solver steps are enough. Less than all of it is the arc between the
    angles `first` and `last`.
    """

    first: float = 0.0
    last: float = math.pi / 2

    @override
    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        angle = self.first + (self.last - self.first) * t
        return torch.sin(angle), torch.cos(angle)

    @override
    def rates(self, t: Tensor) -> tuple[Tensor, Tensor]:
        a, s = self.alpha_sigma(t)
        return (self.last - self.first) * s, -(self.last - self.first) * a

    @override
    def time(self, angle: Tensor) -> Tensor:
        return (angle - self.first) / (self.last - self.first)


@dataclass(frozen=True)
class VariancePreserving(Schedule):
    """The diffusion with a rate β that grows linearly from `slow` to `fast` (Song et al., 2011.13456), r = 1.

    Its own time s runs from 1 (noise) down to `cutoff`, where the noise is still √(slow · cutoff), about 1 %: below,
    the velocity grows without limit.
    """

    slow: float = 0.1
    fast: float = 20.0
    cutoff: float = 1e-3

    @override
    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        log_a = self._log_signal(t)
        return log_a.exp(), torch.sqrt(-torch.expm1(2 * log_a))

    @override
    def rates(self, t: Tensor) -> tuple[Tensor, Tensor]:
        a, s = self.alpha_sigma(t)
        own = 1 - (1 - self.cutoff) * t
        rate = 0.5 * (1 - self.cutoff) * (self.slow + own * (self.fast - self.slow))
        return rate * a, -rate * a.square() / s

    @override
    def time(self, angle: Tensor) -> Tensor:
        log_a = torch.log(torch.sin(angle))
        slope = self.fast - self.slow
        own = (torch.sqrt(self.slow**2 - 4 * slope * log_a) - self.slow) / slope
        return (1 - own) / (1 - self.cutoff)

    def _log_signal(self, t: Tensor) -> Tensor:
        own = 1 - (1 - self.cutoff) * t
        return -0.25 * own.square() * (self.fast - self.slow) - 0.5 * own * self.slow


@dataclass(frozen=True)
class VarianceExploding(Schedule):
    """α = 1 and σ falls geometrically from `highest` to `lowest` (Song et al., 2011.13456), for data of unit width."""

    highest: float = 50.0
    lowest: float = 0.01

    @override
    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(t), self.highest * torch.exp(self._slope * t)

    @override
    def rates(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(t), self._slope * self.alpha_sigma(t)[1]

    @override
    def time(self, angle: Tensor) -> Tensor:
        return -torch.log(torch.tan(angle) * self.highest) / self._slope

    @property
    def _slope(self) -> float:
        return math.log(self.lowest / self.highest)


@dataclass(frozen=True)
class Karras(Schedule):
    """α = 1 and σ^(1/ρ) falls linearly from `highest` to `lowest` (EDM: Karras et al., 2206.00364)."""

    highest: float = 80.0
    lowest: float = 0.002
    rho: float = 7.0

    @override
    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(t), self._root(t) ** self.rho

    @override
    def rates(self, t: Tensor) -> tuple[Tensor, Tensor]:
        first, last = self._ends
        return torch.zeros_like(t), self.rho * (last - first) * self._root(t) ** (self.rho - 1)

    @override
    def time(self, angle: Tensor) -> Tensor:
        first, last = self._ends
        return (torch.tan(angle) ** (-1 / self.rho) - first) / (last - first)

    def _root(self, t: Tensor) -> Tensor:
        first, last = self._ends
        return first + t * (last - first)

    @property
    def _ends(self) -> tuple[float, float]:
        return self.highest ** (1 / self.rho), self.lowest ** (1 / self.rho)
