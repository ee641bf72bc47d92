"""EPiC-GAN: deep sets with a running global vector on both sides (Buhmann, Kasieczka & Thaler, 2301.08128)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from generators.jets.adversarial_cloud import AdversarialCloud, CloudCritic, CloudMaker
from generators.jets.lengths import prefix_mask
from generators.networks.epic import EpicLayer, Pool
from generators.networks.split_linear import SplitLinear
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class EpicGAN(AdversarialCloud):
    """Least-squares adversarial network of `layers` and `critic_layers` of EPiC; the cost grows linearly.

    `hidden` are the numbers of a point and `latent` those of the global vector, which start as normal noise, as do the
    points, of as many numbers as they have features. The published one has a model for every sort of jet; here the
    global vector sees c.
    """

    kind: ClassVar[str] = "epic_gan"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "hidden": 128,
            "layers": 6,
            "critic_layers": 3,
            "momentum": 0.9,
            "critic_rate": 1.0,
            "training": {
                "steps": None,
                "epochs": 2000,
                "batch_size": 128,
                "learning_rate": 1e-4,
                "schedule": "constant",
                "ema_decay": None,
                "clip": None,
            },
        },
    }

    hidden: int = 64
    layers: int = 4
    critic_layers: int = 2
    latent: int = 10
    critic_rate: float = 1.0
    momentum: float = 0.5
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=10_000, batch_size=128, learning_rate=5e-4, clip=None, ema_decay=0.99
        )
    )

    @override
    def sizes_of_networks(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in ("hidden", "layers", "critic_layers", "latent")}

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CloudMaker:
        points, features = shape
        network = Maker(features, context, hidden=self.hidden, layers=self.layers, latent=self.latent)
        return CloudMaker(
            network, features, self.counting(points, context), point_numbers=features, cloud_numbers=self.latent
        )

    @override
    def critic(self, shape: tuple[int, ...], context: int) -> CloudCritic:
        features = shape[-1]
        return CloudCritic(
            EpicCritic(features, context, hidden=self.hidden, layers=self.critic_layers, latent=self.latent)
        )


class Maker(nn.Module):
    """Points and a global vector of noise, which tell each other what they become."""

    def __init__(self, features: int, context: int, *, hidden: int, layers: int, latent: int) -> None:
        super().__init__()
        self.enter = SplitLinear(features, out=hidden, weight_norm=True)
        self.begin = SplitLinear(latent, context, out=hidden, weight_norm=True)
        self.update = SplitLinear(hidden, context, out=latent, weight_norm=True)
        self.layers = _layers(layers, hidden, latent, context)
        self.leave = SplitLinear(hidden, out=features, weight_norm=True).start_small()

    def forward(self, noise: Tensor, of_cloud: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """Points (N, P, F)."""
        pool, nothing = Pool(prefix_mask(counts, noise.shape[1])), c[:, :0]
        first = h = _act(self.enter(noise))
        origin = g = _act(self.update(_act(self.begin(of_cloud, c)), c))
        for layer in self.layers:
            h, g = layer(h, g, pool, nothing, c)
            # The way back to the noise keeps points apart that a layer has made alike.
            h, g = h + first, g + origin
        out: Tensor = self.leave(h)
        return out


class EpicCritic(nn.Module):
    """A score of what points and their global vector have become."""

    def __init__(self, features: int, context: int, *, hidden: int, layers: int, latent: int) -> None:
        super().__init__()
        self.enter = SplitLinear(features, out=hidden, weight_norm=True)
        self.again = SplitLinear(hidden, out=hidden, weight_norm=True)
        self.collect = SplitLinear(2 * hidden, context, out=hidden, weight_norm=True)
        self.update = SplitLinear(hidden, context, out=latent, weight_norm=True)
        self.layers = _layers(layers, hidden, latent, context)
        self.whole = SplitLinear(2 * hidden, latent, context, out=hidden, weight_norm=True)
        self.think = SplitLinear(hidden, out=hidden, weight_norm=True)
        self.score = SplitLinear(hidden, out=1, weight_norm=True)

    def forward(self, x: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """The score and what it is made of, (N, 1 + hidden)."""
        pool, nothing = Pool(prefix_mask(counts, x.shape[1])), c[:, :0]
        h = _act(self.enter(x))
        h = _act(self.again(h) + h)
        g = _act(self.update(_act(self.collect(pool(h), c)), c))
        for layer in self.layers:
            h, g = layer(h, g, pool, nothing, c)
        seen = _act(self.whole(pool(h), g, c))
        seen = _act(self.think(seen) + seen)
        return torch.cat([self.score(seen), seen], dim=1)


def _layers(count: int, hidden: int, latent: int, context: int) -> nn.ModuleList:
    return nn.ModuleList(EpicLayer(hidden, latent, 0, context, weight_norm=True) for _ in range(count))


def _act(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.01)
