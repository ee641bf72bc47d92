"""A transformer of points by flow matching, as small as that of AllShowers (2601.11716)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn
from typing_extensions import override

from generators.flows.sizes import require_sizes
from generators.jets.flow_matching import CloudFlowMatching
from generators.networks.transformer import Transformer
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class AllShowers(CloudFlowMatching):
    """Flow matching on straight ways with 16 steps of midpoint: width 64, four blocks of four heads, as published.

    In the published network a point attends to those of its own layer; here it attends to all, and its layer is one of
    the numbers that are learned, so that the cost grows with the square of the points. Without an embedding of layers
    it has 363,396 parameters where the published one has 587,378, if it is told the energy and N alone. Noise is not
    matched to points by optimal transport, and the optimiser is AdamW in place of Ranger.
    """

    kind: ClassVar[str] = "all_showers"

    width: int = 64
    layers: int = 4
    heads: int = 4
    hidden: int = 256
    frequencies: int = 3
    path: str = "straight"
    sampling_steps: int = 16
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=20_000, batch_size=64, learning_rate=1e-3, weight_decay=1e-2, clip=0.2, ema_decay=0.999
        )
    )

    @override
    def velocity(self, features: int, context: int) -> nn.Module:
        sizes = {name: getattr(self, name) for name in ("width", "layers", "heads", "hidden", "frequencies")}
        require_sizes(self.kind, **sizes)
        return Transformer(features, context, **sizes)
