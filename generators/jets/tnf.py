"""TNF: a transformer that refines the jets of a flow, learned from a critic (Käch et al., 2211.13623)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from generators.errors import HyperparameterError
from generators.jets.adversarial_cloud import AdversarialCloud, CloudCritic, CloudMaker
from generators.jets.flattened import FlattenedFlow
from generators.jets.lengths import prefix_mask
from generators.networks.post_norm import PostNormEncoder
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class TransformerFlow(AdversarialCloud):
    """Least-squares adversarial network whose noise is structured: jets of a flow, which a transformer refines.

    The flow is that of `jet_flow` without the mass: `blocks` couplings of `flow_hidden` units. It learns by its own
    likelihood beside critic and refiner, and the critic moves it not; in the paper it is trained before and frozen.
    With `blocks` 0 the noise is normal (TF, the ablation of the paper). Both transformers have `layers` of `width`
    numbers with `heads` and `hidden` units; only the flow sees N, as the paper has it, and all see c.
    """

    kind: ClassVar[str] = "tnf"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "blocks": 10,
            "flow_hidden": 256,
            "flow_layers": 12,
            "layers": 4,
            "heads": 16,
            "hidden": 256,
            "momentum": 0.0,
            "training": {
                "steps": None,
                "epochs": 1000,
                "batch_size": 256,
                "learning_rate": 1e-4,
                "weight_decay": 0.01,
                "schedule": "one_cycle",
                "ema_decay": None,
                "clip": None,
            },
        },
    }

    blocks: int = 6
    flow_hidden: int = 64
    flow_layers: int = 2
    width: int = 16
    hidden: int = 64
    layers: int = 2
    heads: int = 4
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=10_000, batch_size=128, learning_rate=1e-3, clip=None, ema_decay=0.99
        )
    )

    @override
    def sizes_of_networks(self) -> dict[str, int]:
        if self.blocks < 0:
            raise HyperparameterError(f"blocks = {self.blocks} of {self.kind} must not be negative.")
        if self.heads > 0 and self.width % self.heads:
            raise HyperparameterError(
                f"width = {self.width} of {self.kind} can not be shared among heads = {self.heads}."
            )
        names = ("flow_hidden", "flow_layers", "width", "hidden", "layers", "heads")
        return {name: getattr(self, name) for name in names}

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CloudMaker:
        points, features = shape
        prior = None
        if self.blocks:
            prior = FlattenedFlow(
                points,
                features,
                context,
                blocks=self.blocks,
                hidden=self.flow_hidden,
                layers=self.flow_layers,
                bins=8,
                tail_bound=6.0,
            )
        sizes = {"width": self.width, "layers": self.layers, "heads": self.heads, "hidden": self.hidden}
        refiner = Refiner(features, context, **sizes)
        return CloudMaker(refiner, features, self.counting(points, context), point_numbers=features, prior=prior)

    @override
    def critic(self, shape: tuple[int, ...], context: int) -> CloudCritic:
        sizes = {"width": self.width, "layers": self.layers, "heads": self.heads, "hidden": self.hidden}
        return CloudCritic(TransformerCritic(shape[-1], context, **sizes))


class Refiner(nn.Module):
    """Points of points."""

    def __init__(self, features: int, context: int, *, width: int, layers: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.encoder = PostNormEncoder(features + context, width=width, layers=layers, heads=heads, hidden=hidden)
        self.leave = nn.Linear(width, features)

    def forward(self, noise: Tensor, of_cloud: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """Points (N, P, F)."""
        h = self.encoder(_with_context(noise, c), prefix_mask(counts, noise.shape[1]))
        out: Tensor = self.leave(functional.leaky_relu(h, 0.01))
        return out


class TransformerCritic(nn.Module):
    """A score of the sum of the encoded points, and that sum."""

    def __init__(self, features: int, context: int, *, width: int, layers: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.encoder = PostNormEncoder(features + context, width=width, layers=layers, heads=heads, hidden=hidden)
        self.score = nn.Sequential(
            nn.Linear(width, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1)
        )

    def forward(self, x: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """(N, 1 + width)."""
        mask = prefix_mask(counts, x.shape[1])
        h = torch.einsum("npw,np->nw", self.encoder(_with_context(x, c), mask), mask.to(x.dtype))
        return torch.cat([self.score(h), h], dim=1)


def _with_context(x: Tensor, c: Tensor) -> Tensor:
    return torch.cat([x, c[:, None].expand(-1, x.shape[1], -1)], dim=2)
