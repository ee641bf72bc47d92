"""EPiC-JeDi: the diffusion of PC-JeDi with the network of EPiC (Buhmann et al., 2310.00049)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from generators.jets.diffusion import CloudDiffusion
from generators.networks.epic import Epic
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class EpicJeDi(CloudDiffusion):
    """Diffusion with the network of EPiC; the cost grows linearly with the number of constituents."""

    kind: ClassVar[str] = "epic_jedi"

    hidden: int = 128
    layers: int = 6
    latent: int = 10
    frequencies: int = 32
    weight_norm: bool = True
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=20_000, batch_size=512, learning_rate=2e-3, weight_decay=5e-5, clip=0.5, ema_decay=0.999
        )
    )

    def velocity(self, features: int, context: int) -> nn.Module:
        """See `CloudDiffusion`."""
        return Epic(
            features,
            context,
            hidden=self.hidden,
            layers=self.layers,
            latent=self.latent,
            frequencies=self.frequencies,
            weight_norm=self.weight_norm,
        )
