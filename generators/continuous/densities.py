"""The log-density of what a velocity field makes of normal noise."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from typing_extensions import override

from generators.continuous.schedules import Schedule
from generators.continuous.solvers import Solver
from generators.errors import ExportError
from generators.recording import recording


class VectorField(Protocol):
    """A velocity that can be asked for the quadratic forms of its Jacobian; `ScheduleVelocity` is one."""

    schedule: Schedule

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """Velocity (N, *event)."""
        ...

    def forms(self, x: Tensor, t: float, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Velocity and uᵀ(∂v/∂x)u (K, N) for K directions u (K, N or 1, *event)."""
        ...


class Trace(ABC):
    """How the divergence of a field is found from quadratic forms of its Jacobian."""

    @abstractmethod
    def directions(self, x: Tensor) -> Tensor:
        """Directions (K, 1, *event) for one integration over rows like x (N, *event), the same for all."""

    @abstractmethod
    def combine(self, forms: Tensor) -> Tensor:
        """The divergence (N,) from the forms (K, N)."""


@dataclass(frozen=True)
class Exact(Trace):
    """The sum over all coordinate directions."""

    @override
    def directions(self, x: Tensor) -> Tensor:
        size = math.prod(x.shape[1:])
        return torch.eye(size, dtype=x.dtype, device=x.device).reshape(size, 1, *x.shape[1:])

    @override
    def combine(self, forms: Tensor) -> Tensor:
        return forms.sum(dim=0)


@dataclass(frozen=True)
class Hutchinson(Trace):
    """The mean over `probes` random vectors of signs (Hutchinson 1989; Grathwohl et al., 1810.01367).

    Unbiased for the divergence, and so for the log-density, with an error that falls as 1/√probes; the density itself
    comes out too large in the mean, by half the variance of that error. The probes are drawn from `seed` and are the
    same for all rows and along their way, so that the density of a row does not depend on the rows beside it.
    """

    probes: int
    seed: int = 0

    @override
    def directions(self, x: Tensor) -> Tensor:
        if recording():
            raise ExportError("log_density 'hutchinson' takes random directions, 'exact' would do without")
        generator = torch.Generator().manual_seed(self.seed)
        # The first axis of an event is drawn last: the points of a cloud have the same signs however long it is padded.
        signs = torch.randint(0, 2, (*x.shape[1:], self.probes), generator=generator).movedim(-1, 0)
        return (2 * signs[:, None] - 1).to(x)

    @override
    def combine(self, forms: Tensor) -> Tensor:
        return forms.mean(dim=0)


def log_density(field: VectorField, data: Tensor, *, directions: Tensor, trace: Trace, solver: Solver) -> Tensor:
    """Natural logarithm of the density at data (N, *event), (N,), by integrating the field back to noise."""
    shape, size = data.shape, math.prod(data.shape[1:])
    first, last = field.schedule.ends

    def augmented(state: Tensor, t: float) -> Tensor:
        velocity, forms = field.forms(state[:, :-1].reshape(shape), t, directions)
        return torch.cat([velocity.flatten(1), trace.combine(forms)[:, None]], dim=1)

    start = torch.cat([last * data.flatten(1), data.new_zeros(data.shape[0], 1)], dim=1)
    # Backwards in time the integral collects +∫ div v dt from 1 to 0, which is minus what the density needs.
    end = solver(augmented, start, start=1.0, end=0.0)
    noise, collected = end[:, :-1] / first, end[:, -1]
    normal = -0.5 * (noise.square() + math.log(2 * math.pi)).sum(dim=1)
    return normal + collected + size * math.log(last / first)
