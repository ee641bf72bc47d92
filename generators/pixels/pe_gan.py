"""PE-GAN: images of single sensors with a prior embedding (Hashemi et al., 2303.00693)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from generators.errors import ShapeError
from generators.networks.relations import NoRelations
from generators.pixels.base import PixelGenerator
from generators.pixels.iea_gan import PUBLISHED
from generators.pixels.networks import Conditions, PixelCritic, PixelMaker, PriorEmbedding, begun
from generators.registry import register


@register
@dataclass(kw_only=True, eq=False)
class PEGAN(PixelGenerator):
    """Adversarial network of pixel events whose sensors know nothing of each other but the context.

    What is known of a sensor is half learned and half a number of its own, `prior`, such as its distance from the beam;
    by default its place in the order. The published numbers are of a table that was not released. The maker attends
    behind stage `maker_attention`; images that are shifted are to have the same score.
    """

    kind: ClassVar[str] = "pe_gan"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {**PUBLISHED, "maker_attention": 3},
    }

    prior: Sequence[float] = ()
    maker_attention: int | None = 1
    uniformity: float = 0.0
    consistency: float = 10.0

    @override
    def complete(self) -> None:
        self.prior = [float(value) for value in self.prior]

    @override
    def build(self, shape: tuple[int, ...], context: int) -> PixelMaker:
        conditions = SingleSensors(self._prior(shape[0]), context, width=self.width)
        attention = self.maker_attention
        maker = PixelMaker(
            conditions,
            shape,
            latent=self.latent,
            channels=self.channels,
            fold=self.fold,
            attention=attention,
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
            relations=NoRelations(),
            proxies=PriorEmbedding(self._prior(shape[0]), self.embedded),
            embedded=self.embedded,
            fold=self.fold,
            charge=charge,
        )
        begun(critic, normed=True)
        return critic

    def _prior(self, sensors: int) -> list[float]:
        if self.prior and len(self.prior) != sensors:
            raise ShapeError(f"prior of {self.kind} has {len(self.prior)} numbers for {sensors} sensors.")
        return list(self.prior) or [float(place) for place in range(1, sensors + 1)]


class SingleSensors(Conditions):
    """Sensors that are told what is known of each, and the context."""

    def __init__(self, prior: Sequence[float], context: int, *, width: int) -> None:
        super().__init__()
        self.columns, self.numbers = width, 0
        self.sensor = PriorEmbedding(prior, width)
        self.enter = nn.Linear(width, width)
        self.of_context = nn.Linear(context, width, bias=False) if context else None

    def forward(self, noise: Tensor, c: Tensor) -> Tensor:
        """Vectors (N, S, width)."""
        x = self.enter(self.sensor()).expand(len(noise), -1, -1)
        out: Tensor = x if self.of_context is None else x + self.of_context(c)[:, None]
        return out
