"""CaloGAN (Paganini, de Oliveira, Nachman, 1705.02355, 1712.10321): a stream for every layer, each painted into the
next.

Published, and not here: three layers and energies of 1 to 100 GeV in every line, so that at other energies a latent
vector vanishes or explodes; batch features whose size goes with that of the batch; and energies of generated showers
that are uniform whatever those of the training are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.adversarial.collapse import Watch
from generators.adversarial.losses import NonSaturating
from generators.adversarial.phases import Adversaries, CriticLoss
from generators.errors import HyperparameterError
from generators.flows.sizes import require_sizes
from generators.protocols import Monitor
from generators.registry import register
from generators.showers.calo_gan_network import LARGEST, CaloCritic, CaloMaker
from generators.showers.images_held_out import DistanceToHeldOut
from generators.showers.voxel_images import VoxelImages
from generators.training.batches import TrainingData
from generators.training.optimisers import Adam
from generators.training.phases import Phase, trainable
from generators.training.rules import BestMetric
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained


class EnergyConserving(nn.Module):
    """Loss of the maker, with `weight` times what the energy of a shower lacks of the one that was asked for."""

    def __init__(self, adversaries: Adversaries, weight: float) -> None:
        super().__init__()
        self.adversaries, self.weight, self.loss = adversaries, weight, NonSaturating()

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,); of x only the form is looked at."""
        maker = self.adversaries.maker
        assert isinstance(maker, CaloMaker)
        made = maker.made_like(x, c)
        lacking = (made.sum(dim=1) / maker.unit - maker.images.energy(c)[:, 0] / maker.hundredth).abs()
        return self.loss.of_generator(self.adversaries.critic(made, c)) + self.weight * lacking


@register
@dataclass(kw_only=True, eq=False)
class CaloGAN(VoxelImages[CaloMaker]):
    """Showers by a generative adversarial network with a stream for each layer, painted from one layer into the next.

    A latent vector of `latent` numbers, times the energy over the largest one, becomes an image of every layer by a
    convolution and two layers of weights that differ from place to place, with `widths` channels; a layer is then the
    mean of itself and of the one before, with learned weights of every place. The critic sees layers by channels of
    `critic_widths`, how many voxels have energy, the energies, what they lack of the one that was asked for, and of all
    of that how alike the showers of a batch are, in `batch_features` = [projections, numbers each]. `energy_weight`
    times the lacking energy, in hundredths of the largest one, is added to the loss of the maker, whose rate is that of
    `training`; it makes `maker_steps` for one of the critic, which has `critic_rate` times its rate.

    Where the layers hold only a part of the energy, it is the mean part that is asked for. Weights of events reach the
    losses, and not what the critic sees of a batch. `layers`, `given` and the context are as in `VoxelImages`; with
    `given` the layers have just their energies, and only shapes are learned.
    """

    kind: ClassVar[str] = "calo_gan"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": {},
        "published": {
            "latent": 1024,
            "widths": [36, 16, 6],
            "critic_widths": [64, 16, 8, 8],
            "batch_features": [10, 10],
            "training": {
                "steps": None,
                "epochs": 50,
                "batch_size": 256,
                "learning_rate": 2e-4,
                "schedule": "constant",
                "clip": None,
                "ema_decay": None,
            },
            "critic_rate": 0.1,
        },
    }

    latent: int = 128
    widths: Sequence[int] = (12, 12, 6)
    critic_widths: Sequence[int] = (16, 12, 8, 8)
    batch_features: Sequence[int] = (10, 5)
    energy_weight: float = 0.05
    critic_rate: float = 0.5
    maker_steps: int = 2
    momentum: float = 0.5
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=1500, batch_size=128, learning_rate=1e-3, clip=None, ema_decay=0.99
        )
    )

    @override
    def complete(self) -> None:
        require_sizes(self.kind, latent=self.latent, maker_steps=self.maker_steps)
        for name, number in (("widths", 3), ("critic_widths", 4), ("batch_features", 2)):
            found = list(getattr(self, name))
            setattr(self, name, found)
            if len(found) != number or min(found) < 1:
                raise HyperparameterError(f"{name} = {found} of {self.kind} must be {number} numbers from 1 on.")
        if not 0 <= self.energy_weight < float("inf") or not 0 < self.critic_rate < float("inf"):
            raise HyperparameterError(
                f"energy_weight = {self.energy_weight} and critic_rate = {self.critic_rate} of {self.kind} must be "
                "finite, the former not negative, the latter positive."
            )
        self.optimiser()

    def optimiser(self, factor: float = 1.0) -> Adam:
        """That of a side, with so many times the learning rate of the training."""
        return Adam(
            learning_rate=factor * self.training.learning_rate,
            betas=(self.momentum, 0.999),
            weight_decay=self.training.weight_decay,
            schedule=self.training.schedule,
            clip=self.training.clip,
        )

    @override
    def build(self, shape: tuple[int, ...], context: int) -> CaloMaker:
        return CaloMaker(self.images(shape, context), self.latent, self.widths)

    def critic(self, shape: tuple[int, ...], context: int) -> CaloCritic:
        """An untrained critic of showers (V,)."""
        return CaloCritic(self.images(shape, context), self.critic_widths, self.batch_features)

    @override
    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """Critic and maker by turns; the maker is kept."""
        maker = self.untrained(data, seed=seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            critic = self.critic(tuple(data.x.shape[1:]), data.context.shape[1] - self.beside)
        hundredth = self.largest_energy(data) / LARGEST
        for side in (maker, critic):
            side.hundredth.copy_(hundredth)
            side.unit.copy_(hundredth * self.response(data))
        adversaries = Adversaries(maker, critic)
        of_critic = CriticLoss(adversaries, NonSaturating(), 0.0)
        of_maker = EnergyConserving(adversaries, self.energy_weight)
        phases = [
            Phase("critic", of_critic, trainable(critic), self.optimiser(self.critic_rate)),
            Phase("maker", of_maker, trainable(maker), self.optimiser(), repeat=self.maker_steps),
        ]
        return self.trained(
            adversaries,
            phases,
            data,
            seed=seed,
            monitor=monitor,
            checkpoint=checkpoint,
            rule=BestMetric(DistanceToHeldOut(Watch(self.kind))),
            keep=maker,
            averaged=[maker],
        )
