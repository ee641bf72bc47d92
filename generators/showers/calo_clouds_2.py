"""CaloClouds II: diffusion of points one by one (Buhmann et al., 2309.05704)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn
from typing_extensions import override

from generators.errors import HyperparameterError
from generators.flows.sizes import require_sizes
from generators.jets.diffusion import CloudDiffusion
from generators.networks.pointwise import TimedPointWise
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class CaloClouds2(CloudDiffusion):
    """Diffusion of EDM of clouds whose points know the context and their number, and nothing of each other.

    Points are drawn alike and independently, so that what they have in common must be in the context: in "point_shapes"
    the energies of layers and their numbers of points, the part of the shower flow of CaloClouds. The cost grows
    linearly with the points. Its consistency model is "cloud_consistency" with this as teacher.
    """

    kind: ClassVar[str] = "calo_clouds_2"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "widths": [128, 256, 512, 256, 128],
            "frequencies": 64,
            "sampling_steps": 13,
            "training": {
                "steps": 1_000_000,
                "batch_size": 128,
                "learning_rate": 1e-4,
                "schedule": "constant",
                "clip": 10.0,
                "ema_decay": 0.9999,
            },
        },
    }

    widths: list[int] = field(default_factory=lambda: [64, 128, 64])
    frequencies: int = 16
    schedule: str = "edm"
    sampler: str = "heun"
    sampling_steps: int = 13
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=4_000, batch_size=128, learning_rate=2e-3, weight_decay=0.0, clip=10.0, ema_decay=0.999
        )
    )

    @override
    def velocity(self, features: int, context: int) -> nn.Module:
        require_sizes(self.kind, **{f"widths[{place}]": size for place, size in enumerate(self.widths)})
        if self.frequencies < 2 or self.frequencies % 2:
            raise HyperparameterError(f"frequencies = {self.frequencies} of {self.kind} must be even, at least 2.")
        return TimedPointWise(features, context, widths=self.widths, frequencies=self.frequencies)
