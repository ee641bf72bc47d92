"""Residual flow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from typing_extensions import override

from generators.errors import HyperparameterError
from generators.flows.residual import ResidualBlocks
from generators.flows.sizes import require_sizes
from generators.registry import register
from generators.tabular.base import ConditionalDensity, TabularDensity
from generators.tabular.composed import ComposedFlow
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class ResidualFlow(TabularDensity):
    """Invertible residual networks (Behrmann et al., 1811.00995), trained as residual flows (Chen et al., 1906.02735).

    `blocks` times x + g(x, c), where g is a perceptron with `layers` hidden layers of `hidden` units and a Lipschitz
    constant of `lipschitz` at most: the slopes of a block lie between 1 − lipschitz and 1 + lipschitz. Log-determinants
    are exact up to `exact_features` features; with more they are estimated without bias while training, which costs a
    number of products instead of one per feature, and exact afterwards.
    """

    kind: ClassVar[str] = "residual"

    blocks: int = 6
    hidden: int = 64
    layers: int = 2
    lipschitz: float = 0.9
    exact_features: int = 16
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=1500, batch_size=2048, learning_rate=4e-3, weight_decay=1e-5, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        require_sizes(self.kind, blocks=self.blocks, hidden=self.hidden, layers=self.layers)
        if not 0 < self.lipschitz <= 0.99:
            raise HyperparameterError(f"lipschitz = {self.lipschitz} of {self.kind} must lie between 0 and 0.99.")
        if self.exact_features < 0:
            raise HyperparameterError(f"exact_features = {self.exact_features} of {self.kind} must not be negative.")

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        blocks = ResidualBlocks(
            features,
            context,
            blocks=self.blocks,
            hidden=self.hidden,
            layers=self.layers,
            lipschitz=self.lipschitz,
            exact_features=self.exact_features,
        )
        return ComposedFlow(features, [blocks])
