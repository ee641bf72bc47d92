"""CaloClouds I: diffusion of points that share a latent vector of their shower (Buhmann et al., 2305.04847)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from generators.conditional_network import ConditionalNetwork
from generators.errors import HyperparameterError
from generators.flows.rational_quadratic import RationalQuadratic
from generators.flows.sizes import require_sizes
from generators.jets.base import CloudGenerator, CloudObjective, CloudSampler
from generators.jets.diffusion import check_diffusion, diffusion_flow
from generators.jets.flow import CloudFlow, CloudMatching
from generators.jets.lengths import by_length, prefix_mask
from generators.jets.multiplicity import Multiplicity
from generators.networks.context_mlp import bounded
from generators.networks.epic_encoder import EpicEncoder
from generators.networks.pointwise import PlainlyTimedPointWise
from generators.one_phase import OnePhase
from generators.registry import register
from generators.showers.latent_prior import latent_prior
from generators.tabular.composed import ComposedFlow
from generators.tabular.continuous import density_trace
from generators.training.settings import TrainingSettings

#: Largest logarithm of the width of a latent variable, and its negative the smallest.
_WIDEST = 5.0


@register
@dataclass(kw_only=True, eq=False)
class CaloClouds1(CloudGenerator["LatentDiffusion"], OnePhase["LatentDiffusion"]):
    """Points one by one by a diffusion that is told `latent` numbers of their shower, which a flow draws.

    Layers of EPiC encode a shower for the training: `encoder_layers` of `encoder_hidden`. The latent numbers are held
    near normal ones by `divergence` times their Kullback-Leibler divergence, of which `free` nats cost nothing, and a
    flow of `prior_blocks` couplings learns them beside. The points go through layers of `widths`, and a sample takes
    `sampling_steps` of `sampler`, see `CloudDiffusion`. The published 100 steps of noise end where half of the variance
    is still that of the points, and their samples begin at noise alone; here `schedule` goes all the way. What the
    shower flow of the paper draws beside, energies and numbers of points by layer, comes from "showers" and
    "point_shapes". There is no density.
    """

    kind: ClassVar[str] = "calo_clouds_1"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "latent": 256,
            "encoder_layers": 5,
            "encoder_hidden": 128,
            "prior_blocks": 10,
            "prior_hidden": 128,
            "tail_bound": 10.0,
            "widths": [128, 256, 512, 256, 128],
            "training": {
                "steps": 2_000_000,
                "batch_size": 128,
                "learning_rate": 2e-3,
                "clip": 10.0,
                "ema_decay": None,
            },
        },
    }

    latent: int = 8
    encoder_layers: int = 2
    encoder_hidden: int = 32
    prior_blocks: int = 4
    prior_hidden: int = 32
    bins: int = 8
    tail_bound: float = 5.0
    divergence: float = 1e-3
    free: float = 1.0
    widths: list[int] = field(default_factory=lambda: [64, 128, 64])
    schedule: str = "cosine"
    sampler: str = "heun"
    sampling_steps: int = 13
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=4_000, batch_size=128, learning_rate=2e-3, weight_decay=0.0, clip=10.0, ema_decay=0.999
        )
    )

    def __post_init__(self) -> None:
        check_diffusion(self.schedule, self.sampler)
        names = ("latent", "encoder_layers", "encoder_hidden", "prior_blocks", "prior_hidden", "sampling_steps")
        widths = {f"widths[{place}]": size for place, size in enumerate(self.widths)}
        require_sizes(self.kind, **{name: getattr(self, name) for name in names}, **widths)
        if self.bins < 2 or not self.tail_bound > 0 or not self.divergence >= 0 or not self.free >= 0:
            raise HyperparameterError(
                f"{self.kind}: bins = {self.bins} must be at least 2, tail_bound = {self.tail_bound} positive, and "
                f"divergence = {self.divergence} and free = {self.free} not negative."
            )

    @override
    def build(self, shape: tuple[int, ...], context: int) -> LatentDiffusion:
        points, features = shape
        hidden, layers = self.encoder_hidden, self.encoder_layers
        spline = RationalQuadratic(self.bins, self.tail_bound)
        sizes_of_prior = {"blocks": self.prior_blocks, "hidden": self.prior_hidden, "layers": 2}
        diffusion = diffusion_flow(
            PlainlyTimedPointWise(features, context + self.latent, widths=self.widths),
            features,
            None,
            schedule=self.schedule,
            sampler=self.sampler,
            sampling_steps=self.sampling_steps,
            trace=density_trace("exact", 1),
            density_steps=1,
        )
        return LatentDiffusion(
            EpicEncoder(features, context, 2 * self.latent, hidden=hidden, layers=layers, overall=hidden),
            latent_prior(self.latent, context, spline, **sizes_of_prior),
            diffusion,
            self.counting(points, context),
        )

    @override
    def objective(self, network: LatentDiffusion) -> LatentMatching:
        return LatentMatching(network, divergence=self.divergence, free=self.free)


class LatentDiffusion(ConditionalNetwork, CloudSampler):
    """Encoder, flow of the latent numbers and diffusion of points."""

    def __init__(
        self,
        encoder: EpicEncoder,
        prior: ComposedFlow,
        diffusion: CloudFlow,
        multiplicity: Multiplicity | None,
    ) -> None:
        super().__init__()
        self.encoder, self.prior, self.diffusion = encoder, prior, diffusion
        self.features, self.multiplicity = diffusion.features, multiplicity

    @override
    def draw(self, counts: Tensor, c: Tensor, points: int, generator: torch.Generator) -> Tensor:
        latent = self.prior.draw(c, generator).to(c.dtype)
        return self.diffusion.draw(counts, torch.cat([latent, c], dim=1), points, generator)


class LatentMatching(CloudObjective[LatentDiffusion]):
    """Losses of points, of the latent numbers and of what they say of the shower, and that of N if learned."""

    def __init__(self, network: LatentDiffusion, *, divergence: float, free: float) -> None:
        super().__init__(network)
        self.divergence, self.free = divergence, free

    @override
    def points_loss(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        mean, width = by_length(self.encoded, counts, z, c).chunk(2, dim=1)
        width = bounded(width, _WIDEST)
        latent = mean + width.exp() * torch.randn_like(mean)
        divergence = (0.5 * (mean.square() + (2 * width).exp() - 1) - width).sum(dim=1)
        points = CloudMatching(self.network.diffusion).points_loss(counts, z, torch.cat([latent, c], dim=1))
        # The flow follows what the encoder does, and does not move it.
        prior = -self.network.prior.log_likelihood(latent.detach(), c) / latent.shape[1]
        return points + self.divergence * divergence.clamp_min(self.free) + prior

    def encoded(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """Means and logarithms of widths (N, 2 · latent) of the latent numbers of clouds z (N, P, F)."""
        out: Tensor = self.network.encoder(z, c, prefix_mask(counts, z.shape[1]))
        return out
