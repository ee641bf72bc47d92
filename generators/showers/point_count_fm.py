"""PointCountFM: how many points each layer of a shower has, by flow matching (2506.21720, 2601.11716)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from generators.continuous.objectives import VelocityMatching
from generators.continuous.schedules import Straight
from generators.continuous.solvers import STEPS, FixedSteps
from generators.continuous.velocities import by_angle
from generators.errors import HyperparameterError
from generators.flows.sizes import require_sizes
from generators.networks.count_velocity import CountVelocity
from generators.registry import register
from generators.tabular.base import ConditionalDensity, OneLossDensity
from generators.tabular.continuous import (
    ContinuousDensity,
    MatchingObjective,
    density_trace,
    matching_objective,
)
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class PointCountFM(OneLossDensity):
    """Feature vectors by flow matching on straight ways, through layers of `widths`: 128 to 512 and back.

    With numbers of points, `bijection` should dequantise them, as that of `counts` in "point_shapes" does; those are
    rounded there to what layers of their energies can have. Sampling takes `sampling_steps` of the midpoint rule, and
    the density `density_steps` of Runge-Kutta 4.
    """

    kind: ClassVar[str] = "point_count_fm"

    widths: list[int] = field(default_factory=lambda: [128, 256, 512, 256, 128])
    frequencies: int = 3
    sampling_steps: int = 16
    density_steps: int = 16
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=1000, steps=None, batch_size=1024, learning_rate=1e-3, schedule="one_cycle", ema_decay=None
        )
    )

    def __post_init__(self) -> None:
        if not self.widths:
            raise HyperparameterError(f"widths of {self.kind} must name at least one layer.")
        widths = {f"widths[{place}]": size for place, size in enumerate(self.widths)}
        names = ("frequencies", "sampling_steps", "density_steps")
        require_sizes(self.kind, **widths, **{name: getattr(self, name) for name in names})

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CountDensity:
        (features,) = shape
        return CountDensity(self, features, context)

    @override
    def objective(self, network: ConditionalDensity) -> MatchingObjective:
        return matching_objective(network)


class CountDensity(ContinuousDensity):
    """The network of `PointCountFM` with its sampler and density."""

    def __init__(self, settings: PointCountFM, features: int, context: int) -> None:
        schedule = Straight()
        super().__init__(
            CountVelocity(features, context, widths=settings.widths, frequencies=settings.frequencies),
            features,
            schedule=schedule,
            time_embedding=by_angle,
            sampling_solver=FixedSteps(STEPS["midpoint"], settings.sampling_steps),
            trace=density_trace("exact", 1),
            solver=FixedSteps(STEPS["rk4"], settings.density_steps),
        )
        self.time_sampling = VelocityMatching(schedule)

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        return self.carried(noise, c)
