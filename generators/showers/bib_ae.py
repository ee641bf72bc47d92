"""BIB-AE (Buhmann et al., 2005.05334): an autoencoder bounded by information, critics, and a post-processor of voxels.

With a density of the latent variables given energy and angles it is that of 2303.18150.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from typing_extensions import override

from generators.adversarial.phases import Adversaries
from generators.errors import HyperparameterError
from generators.factorised.base import generator_of
from generators.flows.sizes import require_sizes
from generators.networks.volumes import PairCritic, PostProcessor, Shape, VolumeDecoder, VolumeEncoder
from generators.protocols import Monitor
from generators.registry import register
from generators.showers.bib_ae_losses import (
    AutoencoderLoss,
    FlowLoss,
    LatentCritic,
    LatentLoss,
    PairLoss,
    PostLoss,
    Weights,
    kernels_of,
)
from generators.showers.bib_ae_network import UNIT, BibAe
from generators.showers.images_held_out import DistanceToHeldOut
from generators.showers.voxel_images import VoxelImages
from generators.tabular.base import ConditionalDensity, NoiseMap, TabularDensity
from generators.training.batches import TrainingData
from generators.training.optimisers import Adam
from generators.training.phases import Phase, trainable
from generators.training.rules import BestMetric
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained

#: Learning rate of the critic of latent variables, in that of the training.
_LATENT_RATE = 4.0
#: Learning rate of the flow, which has a loss of its own.
_FLOW_RATE = 1e-3
#: Showers whose energies tell mean and width.
_FOR_THE_WIDTH = 20_000

_PUBLISHED: dict[str, Any] = {
    "latent": 512,
    "active": 24,
    "encoder_widths": [8, 16, 32, 64],
    "decoder_widths": [8, 16, 8, 16, 32, 16],
    "hidden": [4000, 768],
    "critic_width": 128,
    "post_width": 128,
    "critic_steps": 5,
    "latent_critic": 100.0,
    "latent_kernels": 100.0,
    "distance": 0.0,
    "window": 100,
    "stride": 25,
    "cutoff": 2000,
}
_LONG: dict[str, Any] = {"steps": None, "schedule": "constant", "clip": None, "ema_decay": None}


def flow_of_latents() -> dict[str, Any]:
    """Couplings, as small as the latent variables are simple."""
    return {"kind": "coupling_spline", "blocks": 6, "hidden": 64, "tail_bound": 6.0}


@register
@dataclass(kw_only=True, eq=False)
class BibAutoencoder(VoxelImages[BibAe]):
    """Showers of equal layers as volumes by an autoencoder that learns from critics, and then voxel by voxel.

    The encoder makes `active` of the `latent` variables of a shower, the others are noise; the decoder makes a shower
    of them. A critic of `critic_width` channels sees shower and reconstruction, their difference and the logarithm,
    another one each latent variable; `latent_kernels` times a discrepancy of kernels and `divergence` times the
    divergence keep these normal; `distance` times the square of that between both is not in the paper, and helps in
    short trainings. The post-processor of `post_width` units (0 for none), with norms if `post_norms`, maps voxel by
    voxel: for the part `imitation` of the training to its input, then with `sorted_kernels` times a discrepancy of the
    energies of sorted voxels, see `SortedKernels`, and `sorted_error` times their distances. It never learns of the
    critics, and nothing else learns of it.

    With `flow`, a density of the package, the latent variables and the energy of a shower are drawn by it, given the
    whole context, such as energy and angles; it learns in the part of the training after `flow_start`. Without, latent
    variables are normal. `layers`, which have all the same binning, `given` and the context are as in `VoxelImages`.
    """

    kind: ClassVar[str] = "bib_ae"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {**_PUBLISHED, "training": {**_LONG, "epochs": 200, "batch_size": 8, "learning_rate": 5e-4}},
        "small_angular": {"flow": flow_of_latents(), "sharpness": [40.0, 4.0], "sorted_error": 10.0},
        "published_angular": {
            **_PUBLISHED,
            "flow": {**flow_of_latents(), "blocks": 8, "hidden": 250},
            "divergence": 0.1,
            "post_norms": False,
            "sharpness": [40.0, 4.0],
            "window": 150,
            "cutoff": 1000,
            "sorted_error": 10.0,
            "training": {**_LONG, "epochs": 150, "batch_size": 128, "learning_rate": 5e-5},
        },
    }

    layers: Sequence[Sequence[int]] = field(default_factory=lambda: [[30, 30]] * 30)
    threshold: float = 1e-4
    latent: int = 32
    active: int = 16
    encoder_widths: Sequence[int] = (4, 8, 16, 16)
    decoder_widths: Sequence[int] = (4, 4, 4, 6)
    hidden: Sequence[int] = (256, 128)
    critic_width: int = 8
    critic_steps: int = 2
    penalty: float = 10.0
    pairs: float = 1.0
    latent_critic: float = 1.0
    latent_kernels: float = 10.0
    divergence: float = 0.05
    distance: float = 1.0
    post_width: int = 12
    post_norms: bool = False
    imitation: float = 0.4
    sorted_kernels: float = 5.0
    sharpness: Sequence[float] = (200.0,)
    window: int = 50
    stride: int = 50
    cutoff: int = 1000
    sorted_error: float = 0.0
    flow: dict[str, Any] | None = None
    flow_start: float = 0.5
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(steps=600, batch_size=16, learning_rate=2e-3, clip=10.0)
    )

    @override
    def complete(self) -> None:
        if len({tuple(layer) for layer in self.layers}) > 1:
            raise HyperparameterError(
                f"layers of {self.kind} must all have the same binning; they have "
                f"{sorted({tuple(layer) for layer in self.layers})}. Use 'calo_gan': a stream for every layer."
            )
        sizes = ("latent", "active", "critic_width", "critic_steps", "window", "stride", "cutoff")
        require_sizes(self.kind, **{name: getattr(self, name) for name in sizes})
        if self.active > self.latent:
            raise HyperparameterError(f"active = {self.active} of {self.kind} is more than latent = {self.latent}.")
        for name, least, most in (("encoder_widths", 2, 9), ("decoder_widths", 3, 9), ("hidden", 1, 9)):
            found = list(getattr(self, name))
            setattr(self, name, found)
            if not least <= len(found) <= most or min(found) < 1:
                raise HyperparameterError(f"{name} = {found} of {self.kind}: {least} to {most} numbers from 1 on.")
        self.sharpness = [float(alpha) for alpha in self.sharpness]
        factors = {name: getattr(self, name) for name in ("penalty", "pairs", "latent_critic", "latent_kernels")}
        names = ("divergence", "distance", "sorted_kernels", "sorted_error")
        factors |= {name: getattr(self, name) for name in names}
        factors |= {"post_width": self.post_width, "sharpness": min(self.sharpness, default=math.nan)}
        for name, value in factors.items():
            if not 0 <= value < math.inf:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must not be negative.")
        for name in ("imitation", "flow_start"):
            if not 0 <= getattr(self, name) < 1:
                raise HyperparameterError(f"{name} = {getattr(self, name)} of {self.kind} must lie in [0, 1).")
        if self.flow is not None:
            made = self._density(self.flow)
            self.flow = {"kind": made.kind, **made.hyperparameters()}
        self.optimiser()

    def optimiser(self, factor: float = 1.0) -> Adam:
        """That of autoencoder, critics and post-processor, with so many times the learning rate of the training."""
        return Adam(
            learning_rate=factor * self.training.learning_rate,
            betas=(0.5, 0.9),
            weight_decay=self.training.weight_decay,
            schedule=self.training.schedule,
            clip=self.training.clip,
        )

    @override
    def build(self, shape: tuple[int, ...], context: int) -> BibAe:
        images, volume = self.images(shape, context), self._volume()
        return BibAe(
            images,
            VolumeEncoder(volume, context, 2 * self.active, self.encoder_widths, self.hidden),
            VolumeDecoder(volume, context, self.latent, self.decoder_widths, self.hidden),
            PostProcessor(volume, context, self.post_width, norms=self.post_norms) if self.post_width else None,
            self._flow(context),
            latent=self.latent,
            active=self.active,
        )

    def critic(self, context: int) -> PairCritic:
        """An untrained critic of showers and what becomes of them."""
        return PairCritic(self._volume(), context, self.critic_width)

    @override
    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """Critics, autoencoder, post-processor and flow by turns; the critics are not kept."""
        maker = self.untrained(data, seed=seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            critic, latent = self.critic(data.context.shape[1] - self.beside), LatentCritic()
        some = data.rows(torch.arange(min(len(data), _FOR_THE_WIDTH)))
        ratios = maker.log_ratio(some.x.sum(dim=1) / UNIT, some.context)
        maker.energy_mean.copy_(ratios.mean())
        maker.energy_width.copy_(ratios.std(correction=0).clamp_min(1e-3))
        return self.trained(
            Adversaries(maker, critic),
            self.phases(maker, critic, latent, self._steps(len(data))),
            data,
            seed=seed,
            monitor=monitor,
            checkpoint=checkpoint,
            rule=BestMetric(DistanceToHeldOut()),
            keep=maker,
            averaged=[maker],
        )

    def phases(self, maker: BibAe, critic: PairCritic, latent: LatentCritic, steps: int) -> list[Phase]:
        """Those of a training of so many steps."""
        weights = Weights(self.pairs, self.latent_critic, self.latent_kernels, self.divergence, self.distance)
        autoencoder = [*trainable(maker.encoder), *trainable(maker.decoder)]
        loss = AutoencoderLoss(maker, critic, latent, weights)
        of_pairs, own = PairLoss(maker, critic, self.penalty), self.optimiser()
        many: dict[str, Any] = {"repeat": self.critic_steps, "compile": False}
        found = [Phase("pairs", of_pairs, trainable(critic), own, **many)]
        if self.latent_critic:
            of_latent = LatentLoss(maker, latent, self.penalty)
            found.append(Phase("latent", of_latent, trainable(latent), self.optimiser(_LATENT_RATE), **many))
        found.append(Phase("autoencoder", loss, autoencoder, own))
        if maker.post is not None:
            kernels = kernels_of(self.sharpness, self.window, self.stride, self.cutoff)
            imitating = round(self.imitation * steps)
            post = PostLoss(maker, kernels, weight=self.sorted_kernels, error=self.sorted_error, imitating=imitating)
            found.append(Phase("post", post, trainable(maker.post), own, compile=False))
        if maker.flow is not None:
            of_flow = FlowLoss(maker, maker.flow)
            rate = Adam(learning_rate=_FLOW_RATE, schedule=self.training.schedule, clip=1.0)
            start = min(round(self.flow_start * steps), max(0, steps - 1))
            found.append(Phase("flow", of_flow, trainable(maker.flow), rate, start=start, compile=False))
        return found

    def _steps(self, rows: int) -> int:
        """Steps of a training on so many rows."""
        learned = rows - min(max(1, round(self.training.validation_fraction * rows)), rows - 1)
        return sum(self.training.plan(learned, self.critic_steps))

    def _volume(self) -> Shape:
        rows, columns = self.layers[0]
        return len(self.layers), rows, columns

    def _density(self, specification: Any) -> TabularDensity:
        made = generator_of(specification, f"flow of {self.kind}")
        if not isinstance(made, TabularDensity):
            raise HyperparameterError(
                f"flow of {self.kind}: '{made.kind}' is no density of feature vectors by one network, such as "
                "'coupling_spline' or 'maf'."
            )
        return made

    def _flow(self, context: int) -> ConditionalDensity | None:
        if self.flow is None:
            return None
        network = self._density(self.flow).build((self.active + (not self.given),), context)
        if not isinstance(network, NoiseMap):
            raise HyperparameterError(f"flow of {self.kind}: '{self.flow['kind']}' does not draw by a map of noise.")
        return network
