"""What is known of a jet before its constituents, by the diffusion of FPCD (2304.01266)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor
from typing_extensions import override

from generators.continuous.objectives import UniformNoise
from generators.continuous.solvers import STEPS, FixedSteps
from generators.continuous.velocities import by_angle
from generators.flows.sizes import require_sizes
from generators.networks.fpcd import FPCDAttributes
from generators.registry import register
from generators.tabular.base import ConditionalDensity, OneLossDensity
from generators.tabular.continuous import ContinuousDensity, MatchingObjective, density_trace, matching_objective
from generators.tabular.diffusion import SCHEDULES
from generators.training.settings import TrainingSettings

#: Integrating by midpoint, so many steps are as good as the hundreds of the paper.
_DENSITY_STEPS = 8


@register
@dataclass(kw_only=True, eq=False)
class FPCDJets(OneLossDensity):
    """Diffusion of the attributes of jets, such as pT, η, m and N, given their class, with cosine noise.

    The network has `blocks` residual blocks of `width` units. Sampling takes `sampling_steps` of midpoint.
    """

    kind: ClassVar[str] = "fpcd_attributes"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "width": 256,
            "training": {
                "steps": None,
                "epochs": 300,
                "batch_size": 128,
                "learning_rate": 3e-4,
                "patience": 50,
                "ema_decay": 0.999,
            },
        },
    }

    width: int = 64
    blocks: int = 2
    sampling_steps: int = 8
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(steps=3_000, batch_size=512, learning_rate=2e-3, ema_decay=0.99)
    )

    def __post_init__(self) -> None:
        require_sizes(self.kind, width=self.width, blocks=self.blocks, sampling_steps=self.sampling_steps)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> _Attributes:
        (features,) = shape
        return _Attributes(FPCDAttributes(features, context, width=self.width, blocks=self.blocks), features, self)

    @override
    def objective(self, network: ConditionalDensity) -> MatchingObjective:
        return matching_objective(network)


class _Attributes(ContinuousDensity):
    """The network with its sampler and density."""

    def __init__(self, network: FPCDAttributes, features: int, settings: FPCDJets) -> None:
        schedule = SCHEDULES["cosine"]
        super().__init__(
            network,
            features,
            schedule=schedule,
            time_embedding=by_angle,
            sampling_solver=FixedSteps(STEPS["midpoint"], settings.sampling_steps),
            trace=density_trace("exact", 1),
            solver=FixedSteps(STEPS["rk4"], _DENSITY_STEPS),
        )
        self.time_sampling = UniformNoise(schedule)

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        return self.carried(noise, c)
