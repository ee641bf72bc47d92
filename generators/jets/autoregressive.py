"""Constituents one after the other (as in Finke et al., 2303.07364, with densities in the place of bins)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from typing_extensions import override

from generators.flows.sizes import require_sizes
from generators.jets.base import CloudDensity, CloudDensityGenerator
from generators.jets.ordered_points import OrderedLikelihood, OrderedPoints
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class AutoregressiveCloud(CloudDensityGenerator):
    """Clouds point after point by falling pT, each from mixtures given those before, see `OrderedPoints`.

    The density is known without an integral, and a cloud is drawn by one look of the network at each constituent, where
    a flow looks at all of them in every step of its solver. Every constituent of every jet teaches at once: far fewer
    jets than in flow matching are enough to have their substructure right. `bijection` should leave distances alone.
    """

    kind: ClassVar[str] = "autoregressive_cloud"

    width: int = 96
    layers: int = 1
    components: int = 8
    anchors: int = 12
    bijection: str | dict[str, Any] = "standardise"
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=20_000, batch_size=128, learning_rate=4e-3, weight_decay=1e-2, ema_decay=0.999
        )
    )

    def __post_init__(self) -> None:
        sizes = {name: getattr(self, name) for name in ("width", "layers", "components", "anchors")}
        require_sizes(self.kind, **sizes)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> OrderedPoints:
        points, features = shape
        return OrderedPoints(
            features,
            context,
            points,
            self.counting(points, context),
            width=self.width,
            layers=self.layers,
            components=self.components,
            anchors=self.anchors,
        )

    @override
    def objective(self, network: CloudDensity) -> OrderedLikelihood:
        assert isinstance(network, OrderedPoints)
        return OrderedLikelihood(network)
