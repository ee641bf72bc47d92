"""Masked autoregressive flow, as CATHODE uses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

from generators.errors import HyperparameterError
from generators.flows.epoch_norm import EpochNorm
from generators.registry import register
from generators.tabular.composed import ComposedFlow
from generators.tabular.frame import ConditionalDensity, TabularDensity
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class MaskedAutoregressiveFlow(TabularDensity):
    """Affine masked autoregressive flow (Papamakarios et al., 1705.07057) with the recipe of CATHODE (2109.00546).

    `blocks` times a masked network that shifts and scales every feature given the ones before it, a normalisation
    whose moments are set once per epoch, and a reversal of the order of features. With the defaults and four features
    it has the 274,800 parameters of the paper, its optimiser settings (Adam, 1e-4, batches of 256, 100 epochs) and the
    ten states of lowest validation loss; features are prepared by logit and standardisation.

    The masked networks have `layers` hidden layers of `hidden` units.
    """

    kind: ClassVar[str] = "maf"

    bijection: str | dict[str, Any] = field(
        default_factory=lambda: {"kind": "chain", "bijections": ["logit", "standardise"]}
    )
    blocks: int = 15
    hidden: int = 128
    layers: int = 2
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=100,
            batch_size=256,
            learning_rate=1e-4,
            weight_decay=1e-6,
            schedule="constant",
            clip=None,
            best_states=10,
            validation_fraction=0.2,
        )
    )

    def __post_init__(self) -> None:
        for name in ("blocks", "hidden", "layers"):
            if getattr(self, name) < 1:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must be at least 1.")

    def build(self, features: int, context: int) -> ConditionalDensity:
        """See `TabularDensity`."""
        # Here, because nflows imports matplotlib.
        from nflows.transforms import ReversePermutation

        steps = [
            step
            for _ in range(self.blocks)
            for step in (self._autoregressive(features, context), EpochNorm(features), ReversePermutation(features))
        ]
        return ComposedFlow(features, steps)

    def _autoregressive(self, features: int, context: int) -> nn.Module:
        from nflows.transforms import MaskedAffineAutoregressiveTransform

        transform: Any = MaskedAffineAutoregressiveTransform(
            features,
            self.hidden,
            context_features=context or None,
            num_blocks=self.layers - 1,
            use_residual_blocks=False,
        )
        if context:
            # One bias in the first layer is enough.
            transform.autoregressive_net.context_layer = nn.Linear(context, self.hidden, bias=False)
        for module in transform.modules():
            if isinstance(module, nn.Linear):
                nn.init.orthogonal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        layer: nn.Module = transform
        return layer
