"""What flow matching and diffusion of clouds share: an angular velocity, and the density of the flow."""

from __future__ import annotations

import math
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.continuous.densities import Trace, log_density
from generators.continuous.objectives import TimeSampling, matching_loss, stratified
from generators.continuous.samplers import Sampler
from generators.continuous.schedules import Schedule
from generators.continuous.solvers import Solver
from generators.continuous.velocities import AngularVelocity, Network, ScheduleVelocity, TimeEmbedding
from generators.jets.base import CloudDensity, CloudObjective
from generators.jets.lengths import by_length, prefix_mask
from generators.jets.multiplicity import Multiplicity
from generators.networks.split_linear import weights_once


class Velocity(Protocol):
    """What a network of clouds offers, whatever its architecture."""

    def __call__(self, x: Tensor, t: Tensor, c: Tensor, mask: Tensor) -> Tensor:
        """Velocity (N, P, F) of points x (N, P, F) at times t (N,) or () given c (N, C); 0 where the mask (N, P) is."""
        ...


class Masked(Network):
    """A network of clouds of known sizes, as the machinery of `generators.continuous` wants it."""

    def __init__(self, network: nn.Module, mask: Tensor) -> None:
        self.network, self.mask = cast(Velocity, network), mask

    @override
    def __call__(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        return self.network(x, t, c, self.mask)


class CloudFlow(CloudDensity):
    """A density of clouds by an angular velocity.

    `time_sampling` says which times are trained. `sampling_solver` carries noise along the schedule to points; with a
    `sampler` of diffusion it goes down `noise_levels` instead. `solver` carries points back for the density with its
    `trace`.
    """

    tolerates_bfloat16 = True

    def __init__(
        self,
        network: nn.Module,
        features: int,
        multiplicity: Multiplicity | None,
        *,
        schedule: Schedule,
        time_sampling: TimeSampling,
        time_embedding: TimeEmbedding,
        sampling_solver: Solver | None = None,
        sampler: Sampler | None = None,
        noise_levels: tuple[float, ...] = (),
        trace: Trace,
        solver: Solver,
    ) -> None:
        super().__init__()
        self.network, self.features, self.multiplicity = network, features, multiplicity
        self.schedule, self.time_sampling, self.time_embedding = schedule, time_sampling, time_embedding
        self.sampling_solver, self.sampler, self.noise_levels = sampling_solver, sampler, noise_levels
        self.trace, self.solver = trace, solver

    def field(self, c: Tensor, mask: Tensor) -> AngularVelocity:
        """The field given c (N, C) and the present points (N, P)."""
        return AngularVelocity(Masked(self.network, mask), c, self.time_embedding)

    @override
    def transport(self, noise: Tensor, counts: Tensor, c: Tensor) -> Tensor:

        def part(counts: Tensor, noise: Tensor, c: Tensor) -> Tensor:
            return self._carried(noise, prefix_mask(counts, noise.shape[1]), c)

        with weights_once(self.network):
            return by_length(part, counts, noise, c)

    def _carried(self, noise: Tensor, mask: Tensor, c: Tensor) -> Tensor:
        field = self.field(c, mask)
        if self.sampler is not None:
            # Noisy data of unit variance have this width, with hardly any trace of the data.
            width = math.hypot(1.0, self.noise_levels[0])
            return self.sampler(field.denoised, width * noise, self.noise_levels, iter(()))
        assert self.sampling_solver is not None
        first, last = self.schedule.ends
        return self.sampling_solver(ScheduleVelocity(field, self.schedule), first * noise, start=0.0, end=1.0) / last

    @override
    def log_density(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        first, last = self.schedule.ends
        # Absent points stay at zero, where the density of the noise counts them all the same.
        absent = 0.5 * math.log(2 * math.pi) - math.log(last / first)
        signs = self.trace.directions(z)
        of_rows = signs.shape[1] == len(z)

        def part(counts: Tensor, z: Tensor, c: Tensor, index: Tensor) -> Tensor:
            mask = prefix_mask(counts, z.shape[1])
            own = self.trace.directions(z) if not of_rows else signs[:, index, : z.shape[1]]
            velocity = ScheduleVelocity(self.field(c, mask), self.schedule)
            whole = log_density(velocity, z, directions=own * mask[..., None], trace=self.trace, solver=self.solver)
            return whole + absent * z.shape[2] * (z.shape[1] - counts)

        with weights_once(self.network):
            return by_length(part, counts, z, c, torch.arange(len(z), device=z.device))


class CloudMatching(CloudObjective[CloudFlow]):
    """How far the velocity is from that between noise and points; every point counts the same, whatever its cloud."""

    @override
    def points_loss(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        own = self.network
        noise = torch.randn_like(z) * prefix_mask(counts, z.shape[1])[..., None]
        mean = counts.to(z.dtype).mean().clamp_min(1)

        def part(counts: Tensor, z: Tensor, noise: Tensor, c: Tensor, u: Tensor) -> Tensor:
            network = Masked(own.network, prefix_mask(counts, z.shape[1]))
            loss = matching_loss(network, own.time_sampling, noise[:, : z.shape[1]], z, c, u, own.time_embedding)
            # The mean over all places becomes the sum over the present ones.
            return loss * (z.shape[1] / mean)

        with weights_once(own.network):
            return by_length(part, counts, z, noise, c, stratified(z))


def cloud_matching(network: CloudDensity) -> CloudMatching:
    """The objective of a network with a velocity."""
    assert isinstance(network, CloudFlow)
    return CloudMatching(network)
