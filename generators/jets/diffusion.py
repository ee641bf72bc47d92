"""Base of score-based diffusion for clouds: a system is a file that says which network."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import nn
from typing_extensions import override

from generators.continuous.objectives import LogNormalNoise, TimeSampling, UniformNoise
from generators.continuous.samplers import SAMPLERS, noise_levels
from generators.continuous.schedules import Trigonometric
from generators.continuous.solvers import STEPS, FixedSteps
from generators.continuous.velocities import by_log_noise
from generators.errors import HyperparameterError
from generators.jets.base import CloudDensity, CloudDensityGenerator
from generators.jets.flow import CloudFlow, CloudMatching, cloud_matching
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
        for name, value, known in (
            ("schedule", self.schedule, tuple(SCHEDULES)),
            ("sampler", self.sampler, (*ODE_SAMPLERS, *_SAMPLERS)),
        ):
            if value not in known:
                raise HyperparameterError(f"{name} '{value}' is not one of {', '.join(known)}.")
        for name in ("sampling_steps", "density_steps", "probes"):
            if not getattr(self, name) > 0:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be positive.")
        density_trace(self.log_density, self.probes)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CloudFlow:
        points, features = shape
        schedule = SCHEDULES[self.schedule]
        time_sampling: TimeSampling = LogNormalNoise(*EDM_NOISE) if self.schedule == "edm" else UniformNoise(schedule)
        by_ode = self.sampler in ODE_SAMPLERS
        return CloudFlow(
            self.velocity(features, context),
            features,
            self.counting(points, context),
            # Between the same ends, the fewest steps are needed in equal angles.
            schedule=Trigonometric(*schedule.angle(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()),
            time_sampling=time_sampling,
            time_embedding=by_log_noise,
            sampling_solver=FixedSteps(STEPS[self.sampler], self.sampling_steps) if by_ode else None,
            sampler=None if by_ode else SAMPLERS[self.sampler](),
            noise_levels=tuple(noise_levels(schedule, self.sampling_steps)),
            trace=density_trace(self.log_density, self.probes),
            solver=FixedSteps(STEPS["rk4"], self.density_steps),
        )

    @override
    def objective(self, network: CloudDensity) -> CloudMatching:
        return cloud_matching(network)
