"""Which noise levels a network is trained at, and how much each counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from typing_extensions import override

from generators.continuous.schedules import Schedule
from generators.continuous.velocities import Network, TimeEmbedding, mix


class TimeSampling(Protocol):
    """Training angles and their weights."""

    def __call__(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Angle and weight (N,) of levels that are uniform in probability, u (N,) in (0, 1)."""
        ...


@dataclass(frozen=True)
class VelocityMatching(TimeSampling):
    """The square loss of the velocity at times uniform along a schedule (Lipman et al., 2210.02747).

    At a given point, an error of the angular velocity is an error of the velocity of r dφ/dt times its size.
    """

    schedule: Schedule

    @override
    def __call__(self, u: Tensor) -> tuple[Tensor, Tensor]:
        _, turn = self.schedule.turns(u)
        return self.schedule.angle(u), (self.schedule.scale(u) * turn).square()


@dataclass(frozen=True)
class LogitNormal(TimeSampling):
    """`base` at times whose logit is normal, which prefers the middle of the way (Esser et al., 2403.03206)."""

    base: TimeSampling
    mean: float = 0.0
    width: float = 1.0

    @override
    def __call__(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return self.base(torch.sigmoid(self.mean + self.width * torch.special.ndtri(u)))


@dataclass(frozen=True)
class UniformNoise(TimeSampling):
    """Noise levels uniform in the time of a schedule, each with the unit weight of EDM."""

    schedule: Schedule

    @override
    def __call__(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return self.schedule.angle(u), torch.ones_like(u)


@dataclass(frozen=True)
class LogNormalNoise(TimeSampling):
    """ln σ is normal (EDM: Karras et al., 2206.00364), each level with unit weight."""

    mean: float
    width: float

    @override
    def __call__(self, u: Tensor) -> tuple[Tensor, Tensor]:
        sigma = torch.exp(self.mean + self.width * torch.special.ndtri(u))
        return torch.atan2(torch.ones_like(u), sigma), torch.ones_like(u)


def stratified(like: Tensor) -> Tensor:
    """Random numbers in (0, 1), one per equal slice, for the rows of `like` (N, …), in random order.

    The mean of a loss over the levels has far less noise than with independent levels. Their order is random, because
    that of the rows may mean something: those of ragged batches are sorted by length.
    """
    n = len(like)
    within, keys = (torch.rand(n, device=like.device, dtype=like.dtype) for _ in range(2))
    # Not by randperm, which on a GPU waits for the CPU.
    u = keys.argsort() + within
    # Neither 0 nor 1, where a normal quantile is infinite.
    return (u / n).clamp(1e-6, 1 - 1e-6)


def matching_loss(
    network: Network,
    time_sampling: TimeSampling,
    noise: Tensor,
    data: Tensor,
    c: Tensor,
    u: Tensor,
    time_embedding: TimeEmbedding,
) -> Tensor:
    """Weighted mean square error of the angular velocity, (N,), for noise and data (N, *event) and levels u (N,)."""
    angle, weight = time_sampling(u)
    point, rate = mix(noise, data, angle)
    missed = network(point, time_embedding(angle), c) - rate
    return weight * missed.square().flatten(1).mean(dim=1)
