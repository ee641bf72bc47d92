"""PC-JeDi: diffusion of jets with a transformer (Leigh et al., 2303.05376)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn
from typing_extensions import override

from generators.jets.diffusion import CloudDiffusion
from generators.networks.transformer import Transformer
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class PCJeDi(CloudDiffusion):
    """Diffusion with attention of all constituents to all; the cost grows with the square of their number."""

    kind: ClassVar[str] = "pc_jedi"

    width: int = 128
    layers: int = 4
    heads: int = 8
    hidden: int = 256
    frequencies: int = 32
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=20_000, batch_size=256, learning_rate=1e-3, weight_decay=3e-5, clip=5.0, ema_decay=0.999
        )
    )

    @override
    def velocity(self, features: int, context: int) -> nn.Module:
        return Transformer(
            features,
            context,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            hidden=self.hidden,
            frequencies=self.frequencies,
        )
