"""CaloPointFlow II: points by a flow that knows their set and a latent vector of the shower (2403.15782)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.conditional_network import ConditionalNetwork
from generators.errors import HyperparameterError
from generators.flows.rational_quadratic import RationalQuadratic
from generators.flows.sizes import require_sizes
from generators.jets.base import CloudGenerator, CloudObjective, CloudSampler
from generators.jets.lengths import by_length, prefix_mask
from generators.jets.multiplicity import Multiplicity
from generators.networks.point_set import PointSet, SetCoupling
from generators.one_phase import OnePhase
from generators.registry import register
from generators.showers.latent_prior import latent_prior
from generators.tabular.composed import ComposedFlow
from generators.training.acceleration import standard_normal
from generators.training.settings import TrainingSettings

#: Largest logarithm of the width of a latent variable, and its negative the smallest.
_WIDEST = 4.0


@register
@dataclass(kw_only=True, eq=False)
class CaloPointFlow(CloudGenerator["LatentCloud"], OnePhase["LatentCloud"]):
    """A variational autoencoder of clouds whose prior and whose decoder are flows; clouds come in one pass.

    The encoder has layers of `each` for every point and of `whole` after the mean; `latent` numbers of a shower have
    a prior of `prior_blocks` couplings with layers of `prior_hidden`; the points `blocks` couplings with layers of
    `hidden`, which know the mean over all points through layers of `set_each` and `set_whole`. Splines have `bins`.
    The published one is the public configuration with points of four numbers, without its flow of the number of points
    and the energy: in "point_shapes" these are known. Its bound of a density is not given.
    """

    kind: ClassVar[str] = "calo_point_flow"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "latent": 128,
            "each": [64, 128, 1024, 1024],
            "whole": [1024, 512, 512],
            "prior_blocks": 8,
            "prior_hidden": 1024,
            "blocks": 12,
            "set_each": [64, 128, 512],
            "set_whole": [512, 256, 128],
            "hidden": [128, 128, 128],
            "training": {
                "steps": None,
                "epochs": 100,
                "batch_size": 256,
                "learning_rate": 1e-3,
                "ema_decay": None,
            },
        },
    }

    latent: int = 16
    each: list[int] = field(default_factory=lambda: [32, 64])
    whole: list[int] = field(default_factory=lambda: [64])
    prior_blocks: int = 4
    prior_hidden: int = 64
    blocks: int = 6
    set_each: list[int] = field(default_factory=lambda: [16, 32])
    set_whole: list[int] = field(default_factory=lambda: [16])
    hidden: list[int] = field(default_factory=lambda: [48, 48])
    bins: int = 8
    tail_bound: float = 5.0
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=1_500, batch_size=64, learning_rate=2e-3, clip=10.0, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        lists = ("each", "whole", "set_each", "set_whole", "hidden")
        empty = [name for name in lists if not getattr(self, name)]
        if empty or self.bins < 2 or not self.tail_bound > 0:
            raise HyperparameterError(
                f"{self.kind}: {', '.join(empty) or 'bins and tail_bound'} must name layers, at least 2 bins and a "
                "positive bound."
            )
        many = {f"{name}[{place}]": size for name in lists for place, size in enumerate(getattr(self, name))}
        names = ("latent", "prior_blocks", "prior_hidden", "blocks")
        require_sizes(self.kind, **{name: getattr(self, name) for name in names}, **many)

    @override
    def build(self, shape: tuple[int, ...], context: int) -> LatentCloud:
        points, features = shape
        spline = RationalQuadratic(self.bins, self.tail_bound)
        prior = latent_prior(self.latent, context, spline, blocks=self.prior_blocks, hidden=self.prior_hidden, layers=3)
        steps = [
            SetCoupling(
                [(place + number) % 2 == 0 for place in range(features)],
                self.latent + context,
                spline,
                each=self.set_each,
                whole=self.set_whole,
                hidden=self.hidden,
            )
            for number in range(self.blocks)
        ]
        encoder = PointSet(features, each=self.each, whole=[*self.whole, 2 * self.latent])
        return LatentCloud(features, encoder, prior, steps, self.counting(points, context))

    @override
    def objective(self, network: LatentCloud) -> LatentBound:
        return LatentBound(network)


class LatentCloud(ConditionalNetwork, CloudSampler):
    """Encoder, prior of the latent vector and flow of points."""

    def __init__(
        self,
        features: int,
        encoder: PointSet,
        prior: ComposedFlow,
        steps: Sequence[SetCoupling],
        multiplicity: Multiplicity | None,
    ) -> None:
        super().__init__()
        self.features, self.multiplicity = features, multiplicity
        self.encoder, self.prior, self.steps = encoder, prior, nn.ModuleList(steps)

    def log_density_of_points(self, x: Tensor, mask: Tensor, known: Tensor) -> Tensor:
        """Log-density (N,) of points x (N, P, F) in a given order, given the latent vector and the context."""
        total = x.new_zeros(len(x))
        for step in self.steps:
            x, slopes = step(x, mask, known)
            total = total + slopes
        normal = 0.5 * (x.square() + math.log(2 * math.pi)) * mask[..., None]
        return total - normal.sum(dim=(1, 2))

    @override
    def draw(self, counts: Tensor, c: Tensor, points: int, generator: torch.Generator) -> Tensor:
        latent = self.prior.draw(c, generator).to(c.dtype)
        noise = standard_normal((len(c), points, self.features), generator, c.device)
        return by_length(self.points, counts, noise, torch.cat([latent, c], dim=1))

    def points(self, counts: Tensor, noise: Tensor, known: Tensor) -> Tensor:
        """What becomes of noise (N, P, F) given the latent vector and the context."""
        mask = prefix_mask(counts, noise.shape[1])
        for step in reversed(self.steps):
            assert isinstance(step, SetCoupling)
            noise, _ = step.inverse(noise, mask, known)
        return noise * mask[..., None]


class LatentBound(CloudObjective[LatentCloud]):
    """Losses of points and of the latent vector, each over its numbers as published, and that of N if learned."""

    @override
    def points_loss(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        return by_length(self._of_some, counts, z, c)

    def _of_some(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        network, mask = self.network, prefix_mask(counts, z.shape[1])
        mean, width = network.encoder(z, mask).chunk(2, dim=1)
        width = _WIDEST * torch.tanh(width / _WIDEST)
        latent = mean + width.exp() * torch.randn_like(mean)
        entropy = width.mean(dim=1) + 0.5 * (1 + math.log(2 * math.pi))
        prior = -network.prior.log_likelihood(latent, c) / latent.shape[1]
        numbers = (counts * network.features).clamp_min(1)
        points = -network.log_density_of_points(z, mask, torch.cat([latent, c], dim=1)) / numbers
        loss: Tensor = points + prior - entropy
        return loss
