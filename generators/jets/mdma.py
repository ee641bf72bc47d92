"""MDMA: adversarial clouds with a mean field that attends to the constituents (Käch & Melzer-Pellmann, 2305.15254)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from generators.errors import HyperparameterError
from generators.jets.adversarial_cloud import AdversarialCloud, CloudCritic, CloudMaker, MeanNumber
from generators.jets.lengths import prefix_mask
from generators.networks.mean_field import DirectionLinear, MeanFieldBlock
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class MDMA(AdversarialCloud):
    """Least-squares adversarial network with a mean field on both sides; the smallest that is published.

    Generator and critic have `layers` and `critic_layers` of `width` numbers of a point, widened to `hidden` and
    `critic_hidden` for an attention of `heads`. The mean fields that the critic has at last for true and for generated
    clouds are made alike in the first `matching_steps`. N is seen by every layer, and c beside it.
    """

    kind: ClassVar[str] = "mdma"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "hidden": 48,
            "critic_hidden": 64,
            "layers": 7,
            "critic_layers": 2,
            "heads": 16,
            "matching": 1.0,
            "matching_steps": 50_000,
            "critic_rate": 1.0,
            "momentum": 0.0,
            "training": {
                "steps": None,
                "epochs": 2000,
                "batch_size": 128,
                "learning_rate": 1e-4,
                "schedule": "one_cycle",
                "ema_decay": None,
                "clip": None,
            },
        },
    }

    width: int = 16
    hidden: int = 32
    critic_hidden: int = 64
    layers: int = 4
    critic_layers: int = 2
    heads: int = 8
    matching: float = 1.0
    matching_steps: int | None = 1_000
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=10_000, batch_size=128, learning_rate=1e-3, clip=None, ema_decay=0.99
        )
    )

    @override
    def sizes_of_networks(self) -> dict[str, int]:
        names = ("width", "hidden", "critic_hidden", "layers", "critic_layers", "heads")
        for name in ("hidden", "critic_hidden"):
            if self.heads > 0 and getattr(self, name) % self.heads:
                raise HyperparameterError(
                    f"{name} = {getattr(self, name)} of {self.kind} can not be shared among heads = {self.heads}."
                )
        return {name: getattr(self, name) for name in names}

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CloudMaker:
        points, features = shape
        network = Maker(features, context, width=self.width, hidden=self.hidden, layers=self.layers, heads=self.heads)
        return CloudMaker(network, features, self.counting(points, context), point_numbers=features)

    @override
    def critic(self, shape: tuple[int, ...], context: int) -> CloudCritic:
        features = shape[-1]
        return CloudCritic(
            MeanFieldCritic(
                features,
                context,
                width=self.width,
                hidden=self.critic_hidden,
                layers=self.critic_layers,
                heads=self.heads,
            )
        )


class Maker(nn.Module):
    """Points of noise, whose sum is where the mean field starts."""

    def __init__(self, features: int, context: int, *, width: int, hidden: int, layers: int, heads: int) -> None:
        super().__init__()
        self.number = MeanNumber()
        self.enter, self.leave = nn.Linear(features, width), nn.Linear(width, features)
        self.blocks = nn.ModuleList(
            MeanFieldBlock(width, hidden, heads, 1 + context, bounded=False) for _ in range(layers)
        )

    def forward(self, noise: Tensor, of_cloud: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """Points (N, P, F)."""
        mask = prefix_mask(counts, noise.shape[1])
        cloud = torch.cat([self.number(counts), c], dim=1)
        x = _act(self.enter(noise))
        mean = _sum(x, mask) / self.number.value
        for block in self.blocks:
            x, mean = block(x, mean, mask, cloud)
        out: Tensor = self.leave(_act(x))
        return out


class MeanFieldCritic(nn.Module):
    """A score of the mean field."""

    def __init__(self, features: int, context: int, *, width: int, hidden: int, layers: int, heads: int) -> None:
        super().__init__()
        self.number = MeanNumber()
        self.enter, self.begin = DirectionLinear(features, width), DirectionLinear(width, width)
        self.blocks = nn.ModuleList(
            MeanFieldBlock(width, hidden, heads, 1 + context, bounded=True) for _ in range(layers)
        )
        self.widen, self.narrow = DirectionLinear(width + 1 + context, hidden), DirectionLinear(hidden, width)
        self.score = DirectionLinear(width, 1)

    def forward(self, x: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """The score and the mean field, (N, 1 + width)."""
        mask = prefix_mask(counts, x.shape[1])
        cloud = torch.cat([self.number(counts), c], dim=1)
        x = _act(self.enter(x))
        mean = _act(self.begin(_sum(x, mask) / self.number.value))
        for block in self.blocks:
            x, mean = block(x, mean, mask, cloud)
        h = _act(self.narrow(_act(self.widen(_act(torch.cat([mean, cloud], dim=1))))))
        return torch.cat([self.score(h), mean], dim=1)


def _sum(x: Tensor, mask: Tensor) -> Tensor:
    """Over the points that are present, (N, P, W) -> (N, W)."""
    return torch.einsum("npw,np->nw", x, mask.to(x.dtype))


def _act(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.01)
