"""Conditional flow matching for feature vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, cast

import torch
from torch import Tensor

from generators.continuous.paths import PATHS
from generators.continuous.solvers import STEPS, Velocity, integrate
from generators.errors import GeneratorError
from generators.networks.velocity_mlp import VelocityMLP
from generators.registry import register
from generators.tabular.frame import ConditionalDensity, TabularDensity
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class FlowMatching(TabularDensity):
    """Continuous normalizing flow trained by conditional flow matching (Lipman et al., 2210.02747).

    `path` is "trigonometric" or "straight"; sampling takes `sampling_steps` of `solver`; `log_prob` integrates the
    exact divergence with `density_steps` of Runge-Kutta 4.
    """

    kind: ClassVar[str] = "flow_matching"

    hidden: int = 128
    layers: int = 4
    frequencies: int = 4
    path: str = "trigonometric"
    solver: str = "midpoint"
    sampling_steps: int = 20
    density_steps: int = 20
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=6000, batch_size=2048, learning_rate=4e-3, weight_decay=1e-2, ema_decay=0.999
        )
    )

    def __post_init__(self) -> None:
        for name, value, known in (("path", self.path, PATHS), ("solver", self.solver, STEPS)):
            if value not in known:
                raise GeneratorError(f"{name} '{value}' is not one of {', '.join(known)}.")

    def build(self, features: int, context: int) -> ConditionalDensity:
        """See `TabularDensity`."""
        return _FlowMatchingDensity(self, features, context)


class _FlowMatchingDensity(ConditionalDensity):
    def __init__(self, settings: FlowMatching, features: int, context: int) -> None:
        super().__init__()
        self.features = features
        self.settings = settings
        self.path = PATHS[settings.path]()
        self.velocity = VelocityMLP(
            features, context, hidden=settings.hidden, layers=settings.layers, frequencies=settings.frequencies
        )

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        n = len(z)
        # One time per equal slice of [0, 1]: the batch mean over t has far less noise than with independent times.
        t = (torch.arange(n, device=z.device, dtype=z.dtype) + torch.rand(n, device=z.device, dtype=z.dtype)) / n
        point, speed = self.path.point(torch.randn_like(z), z, t[:, None])
        missed: Tensor = self.velocity(point, t[:, None], c) - speed
        return missed.square().mean(dim=1)

    def draw(self, c: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(len(c), self.features, generator=generator, dtype=c.dtype)
        step = STEPS[self.settings.solver]
        return integrate(self._field(c), noise, start=0.0, end=1.0, steps=self.settings.sampling_steps, step=step)

    def log_density(self, z: Tensor, c: Tensor) -> Tensor:
        velocity = self._field(c)
        directions = torch.eye(self.features, dtype=z.dtype, device=z.device)

        def augmented(state: Tensor, t: float) -> Tensor:
            x = state[:, :-1]
            divergence = torch.zeros(len(x), dtype=x.dtype, device=x.device)
            for index, direction in enumerate(directions):
                v, slope = cast(
                    tuple[Tensor, Tensor], torch.func.jvp(lambda y: velocity(y, t), (x,), (direction.expand_as(x),))
                )
                divergence = divergence + slope[:, index]
            return torch.cat([v, divergence[:, None]], dim=1)

        state = torch.cat([z, torch.zeros_like(z[:, :1])], dim=1)
        # Backwards in time the integral collects +∫ div v dt from 1 to 0, which is minus what the density needs.
        end = integrate(augmented, state, start=1.0, end=0.0, steps=self.settings.density_steps, step=STEPS["rk4"])
        noise, collected = end[:, :-1], end[:, -1]
        normal = -0.5 * (noise.square() + torch.log(torch.tensor(2 * torch.pi))).sum(dim=1)
        return normal + collected

    def _field(self, c: Tensor) -> Velocity:
        def velocity(x: Tensor, t: float) -> Tensor:
            return cast(Tensor, self.velocity(x, x.new_full((len(x), 1), t), c))

        return velocity
