"""The one velocity that a network learns, of the trigonometric parametrisation, and that of every schedule from it.

A Gaussian path in polar coordinates (see `Schedule`) is x_t = r(t) (sin φ data + cos φ noise). What is in the brackets
has unit variance for data of unit variance, and so has its rate of change with the angle, cos φ data − sin φ noise.
Networks learn that rate, F(x, φ), whatever the schedule: it is the preconditioning of EDM (Karras et al., 2206.00364)
for data of unit width, and the velocity of flow matching on the trigonometric path. Flow matching on another path and
diffusion differ from it in which angles are learned with which weight, and in the steps of the solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from generators.continuous.schedules import Schedule, rowwise

#: The angle of pure data; that of pure noise is 0.
RIGHT = math.pi / 2


class Network(Protocol):
    """What a network offers: a field on events x (N, *event) at times t in [0, 1], (N,) or (), given c (N, C)."""

    def __call__(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """The field, (N, *event)."""
        ...


TimeEmbedding = Callable[[Tensor], Tensor]


def by_angle(angle: Tensor) -> Tensor:
    """Time of a network that resolves all angles alike."""
    return angle / RIGHT


def by_log_noise(angle: Tensor) -> Tensor:
    """Time of a network that resolves noise-to-signal ratios from about 0.001 to 1000 by their logarithm."""
    sin, cos = torch.sin(angle), torch.cos(angle)
    return 0.5 - torch.log(cos.clamp_min(1e-4) / sin.clamp_min(1e-4)) / 14


class AngularVelocity:
    """F(x, φ) of a network at fixed context c, with φ (N,) or ()."""

    def __init__(self, network: Network, c: Tensor, time_embedding: TimeEmbedding = by_angle) -> None:
        self.network, self.c, self.time_embedding = network, c, time_embedding

    def __call__(self, x: Tensor, angle: Tensor) -> Tensor:
        """dx/dφ, (N, *event)."""
        return self.network(x, self.time_embedding(angle).to(x.dtype), self.c)

    def forms(self, x: Tensor, angle: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """F (N, *event) and uᵀ(∂F/∂x)u (K, N) for K directions u (K, N or 1, *event).

        A network with a `pushforward` of its own is asked for it; others are differentiated backwards.
        """
        t = self.time_embedding(angle).to(x.dtype)
        own = getattr(self.network, "pushforward", None)
        if own is not None:
            out, pushed = own(x, t, self.c, directions)
            return out, (pushed * directions).flatten(2).sum(dim=2)
        return forms_by_autograd(lambda rows: self.network(rows, t, self.c), x, directions)

    def denoised(self, y: Tensor, sigma: float) -> Tensor:
        """The expected data given y = data + σ noise, (N, *event)."""
        at = math.atan2(1.0, sigma)
        angle = torch.tensor(at, dtype=torch.float64, device=y.device)
        sin, cos = math.sin(at), math.cos(at)
        x = sin * y
        return torch.add(sin * x, self(x, angle), alpha=cos)


class ScheduleVelocity:
    """The velocity dx/dt along a schedule, from an angular velocity."""

    def __init__(self, field: AngularVelocity, schedule: Schedule) -> None:
        self.field, self.schedule = field, schedule

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """Velocity (N, *event) at one time for all rows."""
        scale, stretch, turn, angle = self._at(t, x)
        return torch.add(stretch * x, self.field(x / scale, angle), alpha=scale * turn)

    def forms(self, x: Tensor, t: float, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Velocity and uᵀ(∂v/∂x)u, see `AngularVelocity.forms`."""
        scale, stretch, turn, angle = self._at(t, x)
        out, forms = self.field.forms(x / scale, angle, directions)
        lengths = directions.flatten(2).square().sum(dim=2)
        return torch.add(stretch * x, out, alpha=scale * turn), stretch * lengths + turn * forms

    def _at(self, t: float, x: Tensor) -> tuple[float, float, float, Tensor]:
        """r, d ln r/dt, dφ/dt and φ, once for all rows and in double precision."""
        time = torch.tensor(t, dtype=torch.float64)
        stretch, turn = self.schedule.turns(time)
        angle = self.schedule.angle(time).to(x.device)
        return float(self.schedule.scale(time)), float(stretch), float(turn), angle


def mix(noise: Tensor, data: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """The point of the path at angles φ (N,) or () and its rate of change with the angle, both (N, *event)."""
    sin, cos = rowwise(torch.sin(angle), data), rowwise(torch.cos(angle), data)
    return sin * data + cos * noise, cos * data - sin * noise


def forms_by_autograd(function: Callable[[Tensor], Tensor], x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """The value of a function of rows x (N, *event) and uᵀJu (K, N), backwards, all directions in one pass."""
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        value = function(at)
        full = directions.expand(len(directions), *x.shape)
        (pulled,) = torch.autograd.grad(value, at, full, is_grads_batched=True)
    return value.detach(), (pulled * directions).flatten(2).sum(dim=2)
