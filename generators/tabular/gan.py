"""Generative adversarial network of feature vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.adversarial.collapse import Watch, signs
from generators.adversarial.distances import directions_of, sliced_wasserstein
from generators.adversarial.losses import adversarial_loss
from generators.adversarial.phases import Adversaries, adversarial_phases
from generators.adversarial.regularisation import spectrally_normed
from generators.errors import HyperparameterError
from generators.flows.sizes import require_sizes
from generators.networks.perceptron import Perceptron
from generators.protocols import Monitor
from generators.registry import register
from generators.tabular.base import NoiseSampler, TabularGenerator
from generators.training.batches import Rows, TrainingData
from generators.training.optimisers import Adam
from generators.training.phases import Phase
from generators.training.rules import BestMetric
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained

#: Directions along which generated and held-out events are compared.
_DIRECTIONS = 64


@register
@dataclass(kw_only=True, eq=False)
class GenerativeAdversarialNetwork(TabularGenerator["Maker"]):
    """Generative adversarial network (Goodfellow et al., 1406.2661) with the context on both sides (1411.1784).

    Generator and critic are perceptrons with `layers` hidden layers of `hidden` units; the generator makes an event of
    its context and `latent` normal numbers, by default as many as there are features. `loss` is "non_saturating",
    "least_squares", "hinge" or "wasserstein". The critic makes `critic_steps` for every one of the generator; it is
    bounded by `penalty` times a gradient penalty (1704.00028) and, with `spectral_norm`, by its layers. Both have Adam,
    which leaves the part `momentum` of the mean gradient, with the learning rate of `training`.

    No loss says how good a generator is. The states that are kept are those of the epochs in which it was nearest to
    the held-out events, in the mean Wasserstein distance along directions in the space of features and context. There
    is no density.
    """

    kind: ClassVar[str] = "gan"

    hidden: int = 64
    layers: int = 2
    latent: int | None = None
    loss: str = "non_saturating"
    penalty: float = 0.05
    spectral_norm: bool = False
    critic_steps: int = 3
    momentum: float = 0.5
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=3000, batch_size=512, learning_rate=4e-3, clip=None, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        latent = 1 if self.latent is None else self.latent
        require_sizes(self.kind, hidden=self.hidden, layers=self.layers, latent=latent, critic_steps=self.critic_steps)
        adversarial_loss(self.loss)
        if not 0 <= self.penalty < float("inf"):
            raise HyperparameterError(f"penalty = {self.penalty} of {self.kind} must be a number that is not negative.")
        self.optimiser()

    def optimiser(self) -> Adam:
        """That of both phases."""
        return Adam(
            learning_rate=self.training.learning_rate,
            betas=(self.momentum, 0.99),
            weight_decay=self.training.weight_decay,
            schedule=self.training.schedule,
            clip=self.training.clip,
        )

    @override
    def build(self, shape: tuple[int, ...], context: int) -> Maker:
        (features,) = shape
        latent = features if self.latent is None else self.latent
        return Maker(features, context, latent, hidden=self.hidden, layers=self.layers)

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """Critic and generator by turns; the generator is kept."""
        maker = self.untrained(data, seed=seed)
        adversaries = self.adversaries(maker, data.x.shape[1], data.context.shape[1], seed=seed + 1)
        return self.trained(
            adversaries,
            self.phases(adversaries),
            data,
            seed=seed,
            monitor=monitor,
            checkpoint=checkpoint,
            rule=BestMetric(Nearness(Watch(self.kind))),
            keep=maker,
            averaged=[maker],
        )

    def adversaries(self, maker: Maker, features: int, context: int, *, seed: int) -> Adversaries:
        """A generator with an untrained critic, whose initial weights are drawn from the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            critic = Critic(features, context, hidden=self.hidden, layers=self.layers)
            return Adversaries(maker, spectrally_normed(critic) if self.spectral_norm else critic)

    def phases(self, adversaries: Adversaries) -> list[Phase]:
        """Those of critic and generator."""
        return adversarial_phases(
            adversaries,
            adversarial_loss(self.loss),
            of_maker=self.optimiser(),
            of_critic=self.optimiser(),
            penalty=self.penalty,
            critic_steps=self.critic_steps,
        )


class Maker(NoiseSampler):
    """The generator: an event of normal noise and context."""

    def __init__(self, features: int, context: int, latent: int, *, hidden: int, layers: int) -> None:
        super().__init__()
        self.features, self.random_numbers = features, (latent,)
        self.network = Perceptron(latent, context, features, hidden=hidden, layers=layers, activation=nn.SiLU)

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        out: Tensor = self.network(noise.to(c.dtype), c)
        return out

    def made_like(self, x: Tensor, c: Tensor) -> Tensor:
        """Generated events at c (N, C), as many as x (N, *event); the noise is that of torch."""
        return self.transport(torch.randn(x.shape[0], *self.noise_shape, dtype=c.dtype, device=c.device), c)


class Critic(nn.Module):
    """A score (N,) of events (N, D) at c (N, C)."""

    def __init__(self, features: int, context: int, *, hidden: int, layers: int) -> None:
        super().__init__()
        self.network = Perceptron(features, context, 1, hidden=hidden, layers=layers, activation=nn.LeakyReLU)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """The score."""
        out: Tensor = self.network(x, c)
        return out[:, 0]


class Nearness:
    """Distance of generated from held-out events; `watch` sees the same events."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def __call__(self, model: nn.Module, held_out: Rows) -> float:
        """Sliced Wasserstein distance of features and context together."""
        assert isinstance(model, Adversaries)
        x, c, weights = held_out.x, held_out.context, held_out.weights
        drawn = model.made_like(x, c)
        true, made = (torch.cat([events, c], dim=1) for events in (x, drawn))
        self.watch.look(signs(true, made, model.critic(x, c), model.critic(drawn, c)))
        return float(sliced_wasserstein(true, made, weights, directions_of(true.shape[1], _DIRECTIONS, like=true)))
