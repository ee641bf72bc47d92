"""Flow matching with a mean field, whose attention is that of MDMA (Käch & Melzer-Pellmann, 2305.15254)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn
from typing_extensions import override

from generators.jets.flow_matching import CloudFlowMatching
from generators.networks.cross_attention import CrossAttention
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class MdmaFM(CloudFlowMatching):
    """Flow matching with `tokens` that attend to the constituents; the cost grows linearly with their number."""

    kind: ClassVar[str] = "mdma_fm"

    width: int = 64
    layers: int = 5
    heads: int = 4
    tokens: int = 2
    frequencies: int = 32
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=20_000, batch_size=512, learning_rate=1e-3, weight_decay=5e-5, clip=0.5, ema_decay=0.999
        )
    )

    @override
    def velocity(self, features: int, context: int) -> nn.Module:
        return CrossAttention(
            features,
            context,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            tokens=self.tokens,
            frequencies=self.frequencies,
        )
