"""The frame of score-based diffusion for clouds: a system is a file that says which network."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import nn
from typing_extensions import override

from generators.continuous.circle import by_log_noise
from generators.continuous.objectives import Levels, LogNormalNoise, UniformNoise
from generators.continuous.samplers import SAMPLERS, noise_levels
from generators.continuous.schedules import Trigonometric
from generators.continuous.solvers import STEPS, FixedSteps
from generators.errors import HyperparameterError
from generators.jets.flow import CloudFlow
from generators.jets.frame import CloudDensityGenerator
from generators.tabular.continuous import density_trace
from generators.tabular.diffusion import EDM_NOISE, SCHEDULES, WALKS

#: The samplers that need no noise on their way, so that a cloud is a function of its start.
_SAMPLERS = tuple(name for name, sampler in SAMPLERS.items() if not sampler.noisy)


@dataclass(kw_only=True, eq=False)
class CloudDiffusion(CloudDensityGenerator):
    """Diffusion of clouds with the preconditioned denoiser of EDM (Karras et al., 2206.00364).

    `schedule` is "vp", "ve" (Song et al., 2011.13456) or "edm". Sampling takes `sampling_steps` of `sampler`:
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
            ("sampler", self.sampler, (*WALKS, *_SAMPLERS)),
        ):
            if value not in known:
                raise HyperparameterError(f"{name} '{value}' is not one of {', '.join(known)}.")
        for name in ("sampling_steps", "density_steps", "probes"):
            if not getattr(self, name) > 0:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be positive.")
        density_trace(self.log_density, self.probes)

    @override
    def build(self, features: int, context: int) -> CloudFlow:
        schedule = SCHEDULES[self.schedule]
        levels: Levels = LogNormalNoise(*EDM_NOISE) if self.schedule == "edm" else UniformNoise(schedule)
        walks = self.sampler in WALKS
        return CloudFlow(
            self.velocity(features, context),
            features,
            self.counting(context),
            # Between the same ends, the fewest steps are needed along the circle.
            schedule=Trigonometric(*schedule.angle(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()),
            levels=levels,
            clock=by_log_noise,
            walk=FixedSteps(STEPS[self.sampler], self.sampling_steps) if walks else None,
            sampler=None if walks else SAMPLERS[self.sampler](),
            noise_levels=tuple(noise_levels(schedule, self.sampling_steps)),
            trace=density_trace(self.log_density, self.probes),
            solver=FixedSteps(STEPS["rk4"], self.density_steps),
        )
