"""Flows of affine maps: inverse autoregressive and coupling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from typing_extensions import override

from generators.flows.autoregressive import Inverted
from generators.flows.sizes import require_sizes
from generators.flows.stacks import autoregressive_stack, coupling_stack
from generators.flows.univariate import Affine
from generators.registry import register
from generators.tabular.base import ConditionalDensity, TabularDensity
from generators.tabular.composed import ComposedFlow
from generators.training.settings import TrainingSettings


@dataclass(kw_only=True, eq=False)
class _AffineFlow(TabularDensity):
    """What both kinds share: `blocks` affine transforms one after another, with networks of one size."""

    blocks: int = 6
    hidden: int = 64
    layers: int = 2
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=1200, batch_size=2048, learning_rate=4e-3, weight_decay=1e-5, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        require_sizes(self.kind, blocks=self.blocks, hidden=self.hidden, layers=self.layers)


@register
@dataclass(kw_only=True, eq=False)
class InverseAutoregressiveFlow(_AffineFlow):
    """Inverse autoregressive flow (Kingma et al., 1606.04934).

    Each of the `blocks` shifts and scales every latent variable given those before it: one pass of the networks draws a
    sample, and the density of data has to be found feature by feature.
    """

    kind: ClassVar[str] = "iaf"

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        stack = autoregressive_stack(
            Affine(), features, context, blocks=self.blocks, hidden=self.hidden, layers=self.layers
        )
        return ComposedFlow(features, map(Inverted, stack))


@register
@dataclass(kw_only=True, eq=False)
class AffineCouplingFlow(_AffineFlow):
    """Affine coupling flow, RealNVP (Dinh et al., 1605.08803).

    Each of the `blocks` shifts and scales one half of the features given the context and the other half; see
    `transformed_features` for the halves.
    """

    kind: ClassVar[str] = "affine_coupling"

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        stack = coupling_stack(Affine(), features, context, blocks=self.blocks, hidden=self.hidden, layers=self.layers)
        return ComposedFlow(features, stack)
