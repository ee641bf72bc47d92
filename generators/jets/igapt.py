"""iGAPT: adversarial set transformers that attend through one vector of the jet (Li et al., 2312.04757)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.errors import HyperparameterError
from generators.jets.adversarial_cloud import AdversarialCloud, CloudCritic, CloudMaker, MeanNumber
from generators.jets.lengths import prefix_mask
from generators.networks.induced_attention import Gathered, InducedAttention
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class IGAPT(AdversarialCloud):
    """Least-squares adversarial network of `layers` and `critic_layers` of attention through one vector of the jet.

    A constituent begins as `point_noise` normal numbers, the vector as `width` of them and what is made of N and c. The
    cost grows linearly with the number of constituents. No number of parameters is published; what a single key makes
    useless is left out.
    """

    kind: ClassVar[str] = "igapt"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "width": 128,
            "point_noise": 16,
            "layers": 4,
            "critic_layers": 8,
            "heads": 8,
            "dropout": 0.5,
            "optimiser": "rmsprop",
            "critic_rate": 3.0,
            "training": {
                "steps": None,
                "epochs": 6000,
                "batch_size": 256,
                "learning_rate": 5e-5,
                "schedule": "constant",
                "ema_decay": None,
                "clip": None,
            },
        },
    }

    width: int = 32
    point_noise: int = 8
    layers: int = 3
    critic_layers: int = 3
    heads: int = 4
    dropout: float = 0.0
    critic_rate: float = 2.0
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=10_000, batch_size=128, learning_rate=5e-4, clip=None, ema_decay=0.99
        )
    )

    @override
    def sizes_of_networks(self) -> dict[str, int]:
        if self.heads > 0 and self.width % self.heads:
            raise HyperparameterError(
                f"width = {self.width} of {self.kind} can not be shared among heads = {self.heads}."
            )
        if not 0 <= self.dropout < 1:
            raise HyperparameterError(f"dropout = {self.dropout} of {self.kind} must be at least 0 and below 1.")
        names = ("width", "point_noise", "layers", "critic_layers", "heads")
        return {name: getattr(self, name) for name in names}

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CloudMaker:
        points, features = shape
        network = Maker(self.point_noise, features, context, width=self.width, layers=self.layers, heads=self.heads)
        counting = self.counting(points, context)
        return CloudMaker(network, features, counting, point_numbers=self.point_noise, cloud_numbers=self.width)

    @override
    def critic(self, shape: tuple[int, ...], context: int) -> CloudCritic:
        sizes = {"width": self.width, "layers": self.critic_layers, "heads": self.heads}
        return CloudCritic(Critic(shape[-1], context, dropout=self.dropout, **sizes))


class Maker(nn.Module):
    """Points of noise at a vector of noise that knows N and c."""

    def __init__(self, noise: int, features: int, context: int, *, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.number = MeanNumber()
        self.enter, self.begin = nn.Linear(noise, width), nn.Linear(width + 1 + context, width)
        self.blocks = nn.ModuleList(
            InducedAttention(width, heads, normalised=False, dropout=0.0) for _ in range(layers)
        )
        self.leave = nn.Linear(width, features)

    def forward(self, noise: Tensor, of_cloud: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """Points (N, P, F)."""
        mask = prefix_mask(counts, noise.shape[1])
        x, z = self.enter(noise), self.begin(torch.cat([of_cloud, self.number(counts), c], dim=1))
        for block in self.blocks:
            x, z = block(x, z, mask)
        out: Tensor = self.leave(x)
        return out


class Critic(nn.Module):
    """A score of what a learned question gathers from the points."""

    def __init__(self, features: int, context: int, *, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.number = MeanNumber()
        self.enter, self.begin = nn.Linear(features, width), nn.Linear(1 + context, width)
        self.blocks = nn.ModuleList(
            InducedAttention(width, heads, normalised=True, dropout=dropout) for _ in range(layers)
        )
        self.gather, self.score = Gathered(width, heads), nn.Linear(width, 1)

    def forward(self, x: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """The score and what it is made of, (N, 1 + width)."""
        mask = prefix_mask(counts, x.shape[1])
        x, z = self.enter(x), self.begin(torch.cat([self.number(counts), c], dim=1))
        for block in self.blocks:
            x, z = block(x, z, mask)
        found = self.gather(x, mask)
        return torch.cat([self.score(found), found], dim=1)
