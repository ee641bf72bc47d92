"""DeepTreeGAN, second version: a tree against critics of a cloud that is pruned back to one point (2312.00042)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from generators.errors import HyperparameterError
from generators.jets.adversarial_cloud import CloudCritic
from generators.jets.lengths import prefix_mask
from generators.jets.tree import TreeOfPoints
from generators.networks.pruned_cloud import PrunedCloud
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class DeepTreeGAN2(TreeOfPoints):
    """A tree of constituents, and one critic for the cloud and for each of `pruned` sizes that it is gathered into.

    The critics have `heads` of attention of `critic_width` each, layers of `critic_hidden` with spectral norm, hinge
    losses that are added, and what they see of true and generated clouds is made alike with `matching`. The published
    ones are told pT, η and mass of the jet, which here are columns of c if they are to be; the maker sees N and c.
    """

    kind: ClassVar[str] = "deep_tree_gan2"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "root": 64,
            "branches": [2, 3, 5, 5],
            "features": [33, 20, 10],
            "overall": 10,
            "hidden": 100,
            "pruned": [30, 6, 1],
            "heads": 16,
            "critic_width": 10,
            "critic_hidden": 100,
            "dropout": 0.5,
            "critic_rate": 3.0,
            "momentum": 0.9,
            "training": {
                "steps": None,
                "epochs": 3_000,
                "batch_size": 200,
                "learning_rate": 1e-5,
                "weight_decay": 1e-4,
                "schedule": "constant",
                "ema_decay": None,
                "clip": None,
            },
        },
    }

    root: int = 32
    features: list[int] = field(default_factory=lambda: [24, 16])
    overall: int = 10
    hidden: int = 48
    pruned: list[int] = field(default_factory=lambda: [6, 1])
    heads: int = 4
    critic_width: int = 8
    critic_hidden: int = 48
    dropout: float = 0.0
    loss: str = "hinge"
    matched: str = "features"
    matching: float = 0.1
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=10_000, batch_size=128, learning_rate=5e-4, clip=None, ema_decay=0.99
        )
    )

    @override
    def sizes_of_networks(self) -> dict[str, int]:
        if not 0 <= self.dropout < 1:
            raise HyperparameterError(f"dropout = {self.dropout} of {self.kind} must lie in [0, 1).")
        many = {f"pruned[{place}]": size for place, size in enumerate(self.pruned)}
        own = {name: getattr(self, name) for name in ("heads", "critic_width", "critic_hidden")}
        return {**self.sizes_of_tree(), **own, "pruned": len(self.pruned), **many}

    @override
    def critic(self, shape: tuple[int, ...], context: int) -> CloudCritic:
        points, features = shape
        network = PrunedCloud(
            features,
            context,
            points=points,
            sizes=self.pruned,
            heads=self.heads,
            width=self.critic_width,
            hidden=self.critic_hidden,
            dropout=self.dropout,
        )
        return CloudCritic(Pruning(network), scores=1 + len(self.pruned))


class Pruning(nn.Module):
    """The critic of a cloud with so many points (N,)."""

    def __init__(self, network: PrunedCloud) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """Scores and features."""
        out: Tensor = self.network(x, prefix_mask(counts, x.shape[1]), c)
        return out
