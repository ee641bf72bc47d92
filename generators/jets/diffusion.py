"""Base of score-based diffusion for clouds: a system is a file that says which network."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import nn
from typing_extensions import override

from generators.continuous.densities import Trace
from generators.continuous.objectives import LogNormalNoise, TimeSampling, UniformNoise
from generators.continuous.samplers import SAMPLERS, noise_levels
from generators.continuous.schedules import Trigonometric
from generators.continuous.solvers import STEPS, FixedSteps
from generators.continuous.velocities import by_log_noise
from generators.errors import HyperparameterError
from generators.jets.base import CloudDensity, CloudDensityGenerator
from generators.jets.flow import CloudFlow, CloudMatching, cloud_matching
from generators.jets.multiplicity import Multiplicity
from generators.tabular.continuous import density_trace
from generators.tabular.diffusion import EDM_NOISE, ODE_SAMPLERS, SCHEDULES

#: The samplers that need no noise on their way, so that a cloud is a function of its start.
_SAMPLERS = tuple(name for name, sampler in SAMPLERS.items() if not sampler.noisy)


@dataclass(kw_only=True, eq=False)
class CloudDiffusion(CloudDensityGenerator):
    """Diffusion of clouds with the preconditioned denoiser of EDM (Karras et al., 2206.00364).

    `schedule` is "vp", "ve" (Song et al., 2011.13456), "edm" or "cosine". Sampling takes `sampling_steps` of `sampler`:
    "midpoint" and "rk4" in equal angles, "heun", "dpm++2m" and "euler" (DDIM) in levels of noise. `log_prob` is that of
    the probability flow, see `CloudFlowMatching`.
    """

    schedule: str = "vp"
    sampler: str = "dpm++2m"
    sampling_steps: int = 32
    log_density: str = "hutchinson"
    probes: int = 8
    density_steps: int = 16

    @abstractmethod
    def velocity(self, features: int, context: int) -> nn.Module:
        """An untrained network of clouds, see `generators.jets.flow.Velocity`."""

    def __post_init__(self) -> None:
        check_diffusion(self.schedule, self.sampler)
        for name in ("sampling_steps", "density_steps", "probes"):
            if not getattr(self, name) > 0:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be positive.")
        density_trace(self.log_density, self.probes)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CloudFlow:
        points, features = shape
        return diffusion_flow(
            self.velocity(features, context),
            features,
            self.counting(points, context),
            schedule=self.schedule,
            sampler=self.sampler,
            sampling_steps=self.sampling_steps,
            trace=density_trace(self.log_density, self.probes),
            density_steps=self.density_steps,
        )

    @override
    def objective(self, network: CloudDensity) -> CloudMatching:
        return cloud_matching(network)


def check_diffusion(schedule: str, sampler: str) -> None:
    """Refuse names of a schedule and of a sampler that do not exist, or that need noise on their way.

    Raises
    ------
    HyperparameterError
        With those that exist.
    """
    for name, value, known in (
        ("schedule", schedule, tuple(SCHEDULES)),
        ("sampler", sampler, (*ODE_SAMPLERS, *_SAMPLERS)),
    ):
        if value not in known:
            raise HyperparameterError(f"{name} '{value}' is not one of {', '.join(known)}.")


def diffusion_flow(
    velocity: nn.Module,
    features: int,
    multiplicity: Multiplicity | None,
    *,
    schedule: str,
    sampler: str,
    sampling_steps: int,
    trace: Trace,
    density_steps: int,
) -> CloudFlow:
    """A network of clouds with the sampler and the density of `CloudDiffusion`, and what its loss needs."""
    path = SCHEDULES[schedule]
    time_sampling: TimeSampling = LogNormalNoise(*EDM_NOISE) if schedule == "edm" else UniformNoise(path)
    by_ode = sampler in ODE_SAMPLERS
    return CloudFlow(
        velocity,
        features,
        multiplicity,
        # Between the same ends, the fewest steps are needed in equal angles.
        schedule=Trigonometric(*path.angle(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()),
        time_sampling=time_sampling,
        time_embedding=by_log_noise,
        sampling_solver=FixedSteps(STEPS[sampler], sampling_steps) if by_ode else None,
        sampler=None if by_ode else SAMPLERS[sampler](),
        noise_levels=tuple(noise_levels(path, sampling_steps)),
        trace=trace,
        solver=FixedSteps(STEPS["rk4"], density_steps),
    )
