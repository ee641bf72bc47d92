"""EPiC-FM: flow matching with equivariant point clouds (Buhmann et al., 2310.00049)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from generators.jets.flow_matching import CloudFlowMatching
from generators.networks.epic import Epic
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class EpicFM(CloudFlowMatching):
    """Flow matching with the network of EPiC; the cost grows linearly with the number of constituents.

    The published network for 30 and 150 constituents has 6 layers of 128 with a latent of 10, that of the LHC Olympics
    (2310.06897) 8 layers of 150 with a latent of 256. The published path is "straight".
    """

    kind: ClassVar[str] = "epic_fm"

    hidden: int = 128
    layers: int = 6
    latent: int = 10
    frequencies: int = 32
    weight_norm: bool = True
    context_at_points: bool = True
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=20_000, batch_size=512, learning_rate=2e-3, weight_decay=5e-5, clip=0.5, ema_decay=0.999
        )
    )

    def velocity(self, features: int, context: int) -> nn.Module:
        """See `CloudFlowMatching`."""
        return Epic(
            features,
            context,
            hidden=self.hidden,
            layers=self.layers,
            latent=self.latent,
            frequencies=self.frequencies,
            weight_norm=self.weight_norm,
            context_at_points=self.context_at_points,
        )
