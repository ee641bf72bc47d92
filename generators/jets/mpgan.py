"""MPGAN: message passing between all constituents on both sides (Kansal et al., 2106.11535)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.jets.adversarial_cloud import AdversarialCloud, CloudCritic, CloudMaker, MeanNumber
from generators.jets.lengths import prefix_mask
from generators.networks.message_passing import MessagePassing
from generators.registry import register
from generators.training.settings import TrainingSettings

#: Width of the noise of a point.
_NOISE = 0.2


@register
@dataclass(kw_only=True, eq=False)
class MPGAN(AdversarialCloud):
    """Least-squares adversarial network whose generator and critic pass messages between all pairs of constituents.

    `edges` and `nodes` are the sizes of the layers that make and take in a message, `width` the numbers of a point
    between the two rounds. With `latent` so many normal numbers of the cloud are the start of all points (MP-LFC), else
    each has `width` of its own. The cost grows with the square of the number of constituents.

    In the paper N is all that is conditioned on, and drawn from data; here c joins every message, and N has a model.
    """

    kind: ClassVar[str] = "mpgan"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "edges": [96, 160, 192],
            "nodes": [256, 256],
            "width": 32,
            "dropout": 0.5,
            "optimiser": "rmsprop",
            "critic_rate": 3.0,
            "momentum": 0.0,
            "training": {
                "steps": None,
                "epochs": 2000,
                "batch_size": 256,
                "learning_rate": 2e-5,
                "schedule": "constant",
                "ema_decay": None,
                "clip": None,
            },
        },
    }

    edges: list[int] = field(default_factory=lambda: [32, 32, 32])
    nodes: list[int] = field(default_factory=lambda: [64])
    width: int = 16
    latent: int | None = None
    dropout: float = 0.0
    critic_rate: float = 2.0
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=10_000, batch_size=128, learning_rate=5e-4, clip=None, ema_decay=0.99
        )
    )

    @override
    def sizes_of_networks(self) -> dict[str, int]:
        latent = 1 if self.latent is None else self.latent
        many = {f"{name}[{i}]": size for name in ("edges", "nodes") for i, size in enumerate(getattr(self, name))}
        none = {name: len(getattr(self, name)) for name in ("edges", "nodes")}
        return {"width": self.width, "latent": latent, **many, **none}

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CloudMaker:
        points, features = shape
        network = Maker(
            features,
            context,
            points,
            width=self.width,
            latent=self.latent,
            edges=self.edges,
            nodes=self.nodes,
        )
        of_point = self.width if self.latent is None else 0
        counting = self.counting(points, context)
        return CloudMaker(network, features, counting, point_numbers=of_point, cloud_numbers=self.latent or 0)

    @override
    def critic(self, shape: tuple[int, ...], context: int) -> CloudCritic:
        features = shape[-1]
        return CloudCritic(
            MessageCritic(features, context, width=self.width, edges=self.edges, nodes=self.nodes, dropout=self.dropout)
        )


class Maker(nn.Module):
    """Two rounds of messages from noise to points."""

    def __init__(
        self,
        features: int,
        context: int,
        points: int,
        *,
        width: int,
        latent: int | None,
        edges: Sequence[int],
        nodes: Sequence[int],
    ) -> None:
        super().__init__()
        self.width = width
        self.start = None if latent is None else nn.Linear(latent, points * width)
        self.rounds = nn.ModuleList(
            MessagePassing(width, context, out, edges=edges, nodes=nodes) for out in (width, features)
        )

    def forward(self, noise: Tensor, of_cloud: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """Points (N, P, F)."""
        mask = prefix_mask(counts, noise.shape[1])
        if self.start is None:
            h = _NOISE * noise
        else:
            h = self.start(_NOISE * of_cloud).unflatten(1, (-1, self.width))[:, : noise.shape[1]]
        for layer in self.rounds:
            h = layer(h, mask, c)
        return h


class MessageCritic(nn.Module):
    """Two rounds of messages, and a linear score of the sum over the points.

    The published one ends in a sigmoid in front of its squares; without one the gradient does not vanish.
    """

    def __init__(
        self, features: int, context: int, *, width: int, edges: Sequence[int], nodes: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"edges": edges, "nodes": nodes, "dropout": dropout}
        self.rounds = nn.ModuleList(MessagePassing(n, context, width, **made) for n in (features, width))
        self.score = nn.Linear(width, 1)
        self.dropout, self.number = nn.Dropout(dropout), MeanNumber()

    def forward(self, x: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """The score and what it is made of, (N, 1 + width)."""
        mask = prefix_mask(counts, x.shape[1])
        for layer in self.rounds:
            x = layer(x, mask, c)
        seen = torch.einsum("npw,np->nw", x, mask.to(x.dtype)) / self.number.value
        return torch.cat([self.dropout(self.score(seen)), seen], dim=1)
