"""DeepTreeGAN: a tree that branches into constituents, against a critic of messages (Scham et al., 2311.12616)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from typing_extensions import override

from generators.jets.adversarial_cloud import CloudCritic
from generators.jets.mpgan import MessageCritic
from generators.jets.tree import TreeOfPoints
from generators.registry import register
from generators.training.settings import TrainingSettings


@register
@dataclass(kw_only=True, eq=False)
class DeepTreeGAN(TreeOfPoints):
    """A tree of constituents and the critic of MPGAN, with hinge loss, for clouds of JetNet30.

    The maker sees N; `edges`, `nodes` and `width` are those of the critic, see `MPGAN`. Here both see c as well.
    """

    kind: ClassVar[str] = "deep_tree_gan"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "root": 64,
            "branches": [2, 3, 5],
            "features": [33, 20],
            "overall": 3,
            "hidden": 100,
            "edges": [25, 25, 25],
            "nodes": [256, 256],
            "width": 32,
            "critic_steps": 2,
            "critic_rate": 0.3,
            "momentum": 0.0,
            "training": {
                "steps": None,
                "epochs": 10_000,
                "batch_size": 200,
                "learning_rate": 1e-3,
                "weight_decay": 1e-4,
                "schedule": "one_cycle",
                "ema_decay": None,
                "clip": None,
            },
        },
    }

    root: int = 32
    features: list[int] = field(default_factory=lambda: [24, 16])
    hidden: int = 48
    edges: list[int] = field(default_factory=lambda: [24, 24])
    nodes: list[int] = field(default_factory=lambda: [64])
    width: int = 16
    dropout: float = 0.0
    loss: str = "hinge"
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=10_000, batch_size=128, learning_rate=5e-4, clip=None, ema_decay=0.99
        )
    )

    @override
    def sizes_of_networks(self) -> dict[str, int]:
        many = {f"{name}[{i}]": size for name in ("edges", "nodes") for i, size in enumerate(getattr(self, name))}
        none = {name: len(getattr(self, name)) for name in ("edges", "nodes")}
        return {**self.sizes_of_tree(), "width": self.width, **many, **none}

    @override
    def critic(self, shape: tuple[int, ...], context: int) -> CloudCritic:
        features = shape[-1]
        return CloudCritic(
            MessageCritic(features, context, width=self.width, edges=self.edges, nodes=self.nodes, dropout=self.dropout)
        )
