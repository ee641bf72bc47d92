"""IEA-GAN: images of all sensors that know of each other (Hashemi et al., 2303.08046)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.flows.sizes import require_sizes
from generators.networks.deep_biggan import CONTRAST
from generators.networks.relations import Relations
from generators.pixels.base import PixelGenerator
from generators.pixels.networks import Conditions, PixelCritic, PixelMaker, Proxies, begun
from generators.registry import register

#: What both systems have in the publications.
PUBLISHED: dict[str, Any] = {
    "channels": [512, 512, 256, 256, 128, 64, 32],
    "critic_channels": [32, 64, 128, 256, 256, 512, 512],
    "width": 128,
    "latent": 128,
    "embedded": 1024,
    "critic_attention": 3,
    "fold": 1,
    "sensors_at_once": None,
    "grain": 0,
    "contrast": CONTRAST,
    "read_out": False,
    "slope": 0.0,
    "training": {
        "steps": None,
        "epochs": 4,
        "batch_size": 1,
        "learning_rate": 5e-5,
        "schedule": "constant",
        "ema_decay": 0.9999,
        "clip": None,
    },
}


@register
@dataclass(kw_only=True, eq=False)
class IEAGAN(PixelGenerator):
    """Adversarial network of pixel events whose sensors look at each other, on both sides: the intra-event aware one.

    Every sensor has `freedom` normal numbers (degrees of freedom) beside what is learned of it; `heads` of attention
    let all sensors of an event know of those of each other before each makes its image, and `critic_heads` before the
    critic says how alike they are, and with `of_event` how likely they are together. The intra-event term makes sensors
    as alike as those of a true event.

    In the paper nothing is given; here the context is added to what is known of every sensor, and the critic knows it.
    """

    kind: ClassVar[str] = "iea_gan"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            **PUBLISHED,
            "heads": 2,
            "critic_heads": 4,
            "of_event": False,
            "augment": ["colour", "translation", "cutout"],
        },
    }

    freedom: int = 4
    heads: int = 2
    critic_heads: int = 2
    intra_event: float = 1.0
    of_event: bool = True

    @override
    def complete(self) -> None:
        require_sizes(self.kind, freedom=self.freedom, heads=self.heads, critic_heads=self.critic_heads)
        with torch.device("meta"):
            Relations(self.width, self.heads), Relations(self.critic_channels[-1], self.critic_heads)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> PixelMaker:
        conditions = RelatedSensors(shape[0], context, width=self.width, freedom=self.freedom, heads=self.heads)
        maker = PixelMaker(
            conditions,
            shape,
            latent=self.latent,
            channels=self.channels,
            fold=self.fold,
            grain=self.grain,
            contrast=self.contrast,
        )
        begun(maker, normed=False)
        return maker

    @override
    def critic(self, shape: tuple[int, ...], context: int, charge: float = 1.0) -> PixelCritic:
        critic = PixelCritic(
            shape,
            context,
            channels=self.critic_channels,
            attention=self.critic_attention,
            relations=Relations(self.critic_channels[-1], self.critic_heads),
            proxies=Proxies(shape[0], self.embedded),
            embedded=self.embedded,
            fold=self.fold,
            charge=charge,
            of_event=self.of_event,
        )
        begun(critic, normed=True)
        return critic


class RelatedSensors(Conditions):
    """What is learned of every sensor, its degrees of freedom and the context, in front of relations of all of them."""

    def __init__(self, sensors: int, context: int, *, width: int, freedom: int, heads: int) -> None:
        super().__init__()
        self.columns, self.numbers = width, freedom
        self.sensor = nn.Embedding(sensors, width)
        self.enter = nn.Linear(width + freedom, width)
        self.of_context = nn.Linear(context, width, bias=False) if context else None
        self.relations = Relations(width, heads)

    def forward(self, noise: Tensor, c: Tensor) -> Tensor:
        """Vectors (N, S, width)."""
        known = self.sensor.weight.expand(len(noise), -1, -1)
        x = self.enter(torch.cat([known, noise], dim=-1))
        if self.of_context is not None:
            x = x + self.of_context(c)[:, None]
        out: Tensor = self.relations(x)
        return out
