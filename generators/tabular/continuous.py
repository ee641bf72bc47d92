"""What flow matching and diffusion share: an angular velocity, and the density of the flow along a schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.continuous.densities import Exact, Hutchinson, Trace, log_density
from generators.continuous.objectives import TimeSampling, matching_loss, stratified
from generators.continuous.schedules import Schedule
from generators.continuous.solvers import ADAPTIVE, STEPS, Adaptive, FixedSteps, Solver
from generators.continuous.velocities import AngularVelocity, ScheduleVelocity, TimeEmbedding
from generators.errors import HyperparameterError
from generators.objective import Objective
from generators.recording import recording
from generators.tabular.base import ConditionalDensity, NoiseSampler

#: Rows that pass a network together on a CPU: the activations of more do not stay in its cache.
_ROWS = 1024

#: What a student may learn from, as it is told.
TEACHERS = "'flow_matching', 'diffusion', 'patch_flow' or 'cylindrical_diffusion'"


class ContinuousDensity(NoiseSampler, ConditionalDensity):
    """A density by an angular velocity; a model says by `time_sampling` at which times it is learned.

    `sampling_solver` carries noise along the schedule, `solver` carries data back for the density with its `trace`. So
    many rows as a network has in `rows_at_once` pass it together on a CPU, if it says so.
    """

    tolerates_bfloat16 = True
    time_sampling: TimeSampling

    def __init__(
        self,
        network: nn.Module,
        features: int,
        *,
        schedule: Schedule,
        time_embedding: TimeEmbedding,
        sampling_solver: Solver,
        trace: Trace,
        solver: Solver,
    ) -> None:
        super().__init__()
        self.network, self.features = network, features
        self.schedule, self.time_embedding, self.sampling_solver = schedule, time_embedding, sampling_solver
        self.trace, self.solver = trace, solver
        self.rows_at_once = int(getattr(network, "rows_at_once", _ROWS))

    def field(self, c: Tensor) -> AngularVelocity:
        """The field given c (N, C)."""
        network: Any = self.network
        return AngularVelocity(network, c, self.time_embedding)

    def carried(self, noise: Tensor, c: Tensor) -> Tensor:
        """What the flow along the schedule makes of noise (N, D)."""
        first, last = self.schedule.ends

        def part(noise: Tensor, c: Tensor) -> Tensor:
            velocity = ScheduleVelocity(self.field(c), self.schedule)
            return self.sampling_solver(velocity, first * noise, start=0.0, end=1.0) / last

        return by_rows(part, noise.to(c.dtype), c, rows=self.rows_at_once)

    def log_density(self, z: Tensor, c: Tensor) -> Tensor:
        """Log p(z | c), (N,)."""
        directions = self.trace.directions(z)
        rows = min(self.rows_at_once, max(256, _ROWS // max(1, len(directions))))

        def part(z: Tensor, c: Tensor) -> Tensor:
            velocity = ScheduleVelocity(self.field(c), self.schedule)
            return log_density(velocity, z, directions=directions, trace=self.trace, solver=self.solver)

        return by_rows(part, z, c, rows=rows)


class MatchingObjective(Objective[ContinuousDensity]):
    """How far the velocity is from that of the straight way between normal noise and an event."""

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        network = self.network
        noise, u = torch.randn_like(z), stratified(z)
        return matching_loss(network.network, network.time_sampling, noise, z, c, u, network.time_embedding)


def matching_objective(network: ConditionalDensity) -> MatchingObjective:
    """That of a network with a velocity."""
    assert isinstance(network, ContinuousDensity)
    return MatchingObjective(network)


class FlowInTime(ABC):
    """A generator whose network is a `ContinuousDensity`, and can teach one of fewer steps."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], context: int) -> ContinuousDensity:
        """An untrained network for feature vectors (D,) and `context` columns."""


def by_rows(function: Callable[..., Tensor], *tensors: Tensor, rows: int = _ROWS) -> Tensor:
    """`function` of tensors with one first axis, in parts that stay in the cache of a CPU."""
    if tensors[0].is_cuda or recording() or len(tensors[0]) <= rows:
        return function(*tensors)
    parts = zip(*(torch.split(tensor, rows) for tensor in tensors), strict=True)
    return torch.cat([function(*part) for part in parts])


def density_trace(name: str, probes: int) -> Trace:
    """The trace of that name.

    Raises
    ------
    HyperparameterError
        If it is neither "exact" nor "hutchinson".
    """
    if name not in ("exact", "hutchinson"):
        raise HyperparameterError(f"log_density '{name}' is not one of exact, hutchinson.")
    return Exact() if name == "exact" else Hutchinson(probes)


def density_solver(solver: str, *, steps: int, tolerance: float) -> Solver:
    """The sampler's solver if it chooses its own steps, otherwise `steps` of Runge-Kutta 4."""
    return Adaptive(solver, tolerance) if solver in ADAPTIVE else FixedSteps(STEPS["rk4"], steps)
