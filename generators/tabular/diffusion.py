"""Score-based diffusion for feature vectors."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.continuous.objectives import LogNormalNoise, UniformNoise
from generators.continuous.samplers import SAMPLERS, noise_levels
from generators.continuous.schedules import Karras, Schedule, Trigonometric, VarianceExploding, VariancePreserving
from generators.continuous.solvers import STEPS, FixedSteps
from generators.continuous.velocities import by_log_noise
from generators.errors import HyperparameterError
from generators.networks.velocity_mlp import VelocityMLP
from generators.registry import register
from generators.tabular.base import ConditionalDensity, OneLossDensity
from generators.tabular.continuous import (
    ContinuousDensity,
    FlowInTime,
    MatchingObjective,
    by_rows,
    density_trace,
    matching_objective,
)
from generators.training.settings import TrainingSettings

#: The published range of EDM, 80 to 0.002, is for thousands of pixels; a few features of unit width need less.
SCHEDULES: dict[str, Schedule] = {
    "edm": Karras(highest=20.0, lowest=0.005),
    "vp": VariancePreserving(),
    "ve": VarianceExploding(),
    # Equal angles between the same ends as EDM.
    "cosine": Trigonometric(math.atan2(1, 20.0), math.atan2(1, 0.005)),
}

#: Samplers that solve the ODE in equal angles; those of `SAMPLERS` step in the level of noise.
ODE_SAMPLERS = ("midpoint", "rk4")

#: Mean and width of ln σ in training under EDM, from Karras et al. for data of half the width of ours.
EDM_NOISE = (-0.5, 1.2)


@dataclass(kw_only=True, eq=False)
class ScoreDiffusion(FlowInTime, OneLossDensity):
    """Diffusion of feature vectors by any network of an angular velocity; a model says by `network` which.

    `schedule` is "edm", "vp", "ve" (these two of Song et al., 2011.13456) or "cosine" (2102.09672). It says which noise
    levels are learned, how often, and where the steps of the sampler are. Sampling takes `sampling_steps` of `sampler`.
    "midpoint" and "rk4" follow the probability flow in equal angles, "heun", "dpm++2m" and "euler" in levels of noise,
    which takes several times as many evaluations; "stochastic_heun" and "ancestral" follow the reverse diffusion, whose
    samples have the density of `log_prob` as far as the network and the steps are perfect.

    `log_prob` is that of the probability flow, in `density_steps` of Runge-Kutta 4, the divergence as `log_density`
    says: "exact", or "hutchinson" with so many `probes`.
    """

    schedule: str = "edm"
    sampler: str = "midpoint"
    sampling_steps: int = 8
    log_density: str = "exact"
    probes: int = 8
    density_steps: int = 8

    def __post_init__(self) -> None:
        for name, value, known in (
            ("schedule", self.schedule, SCHEDULES),
            ("sampler", self.sampler, (*ODE_SAMPLERS, *SAMPLERS)),
        ):
            if value not in known:
                raise HyperparameterError(f"{name} '{value}' is not one of {', '.join(known)}.")
        for name in ("sampling_steps", "density_steps", "probes"):
            if not getattr(self, name) > 0:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be positive.")
        density_trace(self.log_density, self.probes)
        self.complete()

    @abstractmethod
    def complete(self) -> None:
        """Check what the network needs."""

    @abstractmethod
    def network(self, features: int, context: int) -> nn.Module:
        """An untrained network of the angular velocity of so many features, with `context` columns."""

    @override
    def build(self, shape: tuple[int, ...], context: int) -> DiffusionDensity:
        (features,) = shape
        return DiffusionDensity(self, self.network(features, context), features)

    @override
    def objective(self, network: ConditionalDensity) -> MatchingObjective:
        return matching_objective(network)


@register
@dataclass(kw_only=True, eq=False)
class Diffusion(ScoreDiffusion):
    """Score-based diffusion with the preconditioned denoiser of EDM (Karras et al., 2206.00364)."""

    kind: ClassVar[str] = "diffusion"

    hidden: int = 64
    layers: int = 4
    frequencies: int = 8
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=2400, batch_size=2048, learning_rate=8e-3, weight_decay=1e-2, ema_decay=0.99
        )
    )

    @override
    def complete(self) -> None:
        for name in ("hidden", "layers", "frequencies"):
            if not getattr(self, name) > 0:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be positive.")

    @override
    def network(self, features: int, context: int) -> VelocityMLP:
        sizes = {"hidden": self.hidden, "layers": self.layers, "frequencies": self.frequencies}
        return VelocityMLP(features, context, **sizes)


class DiffusionDensity(ContinuousDensity):
    """The network of a `ScoreDiffusion` with its sampler and density."""

    def __init__(self, settings: ScoreDiffusion, network: nn.Module, features: int) -> None:
        schedule = SCHEDULES[settings.schedule]
        super().__init__(
            network,
            features,
            # Between the same ends, the density needs the fewest steps in equal angles.
            schedule=Trigonometric(*schedule.angle(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()),
            time_embedding=by_log_noise,
            sampling_solver=FixedSteps(
                STEPS[settings.sampler if settings.sampler in ODE_SAMPLERS else "midpoint"], settings.sampling_steps
            ),
            trace=density_trace(settings.log_density, settings.probes),
            solver=FixedSteps(STEPS["rk4"], settings.density_steps),
        )
        self.time_sampling = LogNormalNoise(*EDM_NOISE) if settings.schedule == "edm" else UniformNoise(schedule)
        self.sampler = settings.sampler
        self.noise_levels = noise_levels(schedule, settings.sampling_steps)
        if self.sampler in SAMPLERS and SAMPLERS[self.sampler].noisy:
            # That of the start and of every step.
            self.random_numbers = (len(self.noise_levels), features)

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        if self.sampler in ODE_SAMPLERS:
            return self.carried(noise, c)
        sampler = SAMPLERS[self.sampler]()
        # Noisy data of unit variance have this width, with hardly any trace of the data.
        width = (1 + self.noise_levels[0] ** 2) ** 0.5

        def part(c: Tensor, start: Tensor, *steps: Tensor) -> Tensor:
            return sampler(self.field(c).denoised, width * start, self.noise_levels, iter(steps))

        own = noise.to(c.dtype)
        return by_rows(part, c, *(own.unbind(dim=1) if sampler.noisy else [own]), rows=self.rows_at_once)
