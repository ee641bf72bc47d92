"""Flow of planar transforms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from typing_extensions import override

from generators.flows.planar import Planar
from generators.flows.sizes import require_sizes
from generators.registry import register
from generators.tabular.base import ConditionalDensity, TabularDensity
from generators.tabular.composed import ComposedFlow
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class PlanarFlow(TabularDensity):
    """`blocks` planar transforms whose parameters follow the context (Rezende & Mohamed, 1505.05770).

    Every transform has a network of the context with `layers` hidden layers of `hidden` units. Few numbers and quick,
    but each block bends space along a single direction: for features with much structure use a spline flow.
    """

    kind: ClassVar[str] = "planar"

    blocks: int = 16
    hidden: int = 32
    layers: int = 1
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=1500, batch_size=2048, learning_rate=1e-2, weight_decay=1e-5, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        require_sizes(self.kind, blocks=self.blocks, hidden=self.hidden, layers=self.layers)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        blocks = (Planar(features, context, hidden=self.hidden, layers=self.layers) for _ in range(self.blocks))
        return ComposedFlow(features, blocks)
