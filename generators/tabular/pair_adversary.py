"""A map between contexts, learned against a critic that tells moved events from those that are there."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from generators.adversarial.distances import directions_of, sliced_wasserstein
from generators.adversarial.losses import AdversarialLoss, NonSaturating
from generators.adversarial.phases import Adversaries, CriticLoss
from generators.protocols import Array, Monitor
from generators.tabular.base import TabularGenerator
from generators.tabular.composed import ComposedFlow
from generators.tabular.gan import Critic
from generators.tabular.pair_likelihood import composed, moved_between
from generators.training.batches import Rows, TrainingData
from generators.training.optimisers import Adam
from generators.training.phases import Phase, trainable
from generators.training.rules import BestMetric
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained

#: Weight of the gradient penalty, and directions along which moved and held-out events are compared.
_PENALTY, _DIRECTIONS = 0.05, 64


def fit_pairs_against_critic(
    flow: TabularGenerator[Any],
    x: Array,
    context: Array,
    *,
    closeness: float = 0.01,
    critic_steps: int = 3,
    weights: Array | None = None,
    seed: int,
    monitor: Monitor | None = None,
) -> TabularGenerator[Any]:
    """Fit `flow` g so that T = g(·; b)⁻¹ ∘ g(·; a) takes events at context a to where events at context b are.

    A critic sees events with their context, and events that were moved to it from the context of others; it makes
    `critic_steps` for every one of the map. The map loses what the critic knows, and `closeness` times the squared
    length of the way: of all maps that the critic takes for true, the one that moves events least, so that what does
    not follow the context stays as it is. As in TRANSIT (Oleksiyuk, Voloshynovskiy & Golling, 2503.04342), but that
    the map there is a network with a residual connection, and here a quotient of one flow: the identity for a = b,
    with an inverse that is the map from b to a, whatever was learned.

    x (N, D), context (N, C), weights (N,), which are not negative: a pair of events would have the weights of both, so
    events are drawn anew by them. The states of the epochs are kept in which moved events were nearest to those held
    out, in the mean Wasserstein distance along directions. Returns `flow`, fitted.

    Raises
    ------
    HyperparameterError
        If a network of `flow` is no composition of transforms.
    """
    rows = _drawn(len(x), weights, seed)

    def learn(learner: TabularGenerator[Any], data: TrainingData) -> Trained:
        network = composed(learner, data, seed=seed)
        adversaries = _adversaries(network, data.x.shape[1], data.context.shape[1], seed=seed + 1)
        return learner.trained(
            adversaries,
            _phases(adversaries, learner.training, closeness=closeness, critic_steps=critic_steps),
            data,
            seed=seed,
            monitor=monitor,
            rule=BestMetric(nearness),
            keep=network,
            averaged=[network],
        )

    return flow.fit_by(learn, np.asarray(x)[rows], np.asarray(context)[rows], seed=seed)


class PairMap(nn.Module):
    """Moves events to the contexts of others."""

    def __init__(self, network: ComposedFlow) -> None:
        super().__init__()
        self.network = network

    def moved(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Events of x (N, D) in another order, moved to c (N, C), and what they were before, (N, D) each."""
        order = torch.randperm(len(c), device=c.device)
        moved, _ = moved_between(self.network, x[order], c[order], c)
        return moved, x[order]

    def made_like(self, x: Tensor, c: Tensor) -> Tensor:
        """Events at c (N, C) that are others of x (N, D), moved."""
        return self.moved(x, c)[0]


class MapLoss(nn.Module):
    """What the critic knows of a moved event, and `closeness` times the mean square of the way."""

    def __init__(self, adversaries: Adversaries, loss: AdversarialLoss, closeness: float) -> None:
        super().__init__()
        self.adversaries, self.loss, self.closeness = adversaries, loss, closeness

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,)."""
        maker = self.adversaries.maker
        assert isinstance(maker, PairMap)
        moved, before = maker.moved(x, c)
        lost: Tensor = self.loss.of_generator(self.adversaries.critic(moved, c))
        return lost + self.closeness * (moved - before).square().mean(dim=1)


def nearness(model: nn.Module, held_out: Rows) -> float:
    """Sliced Wasserstein distance of moved from held-out events, features and context together."""
    assert isinstance(model, Adversaries)
    x, c, weights = held_out.x, held_out.context, held_out.weights
    true, moved = (torch.cat([events, c], dim=1) for events in (x, model.made_like(x, c)))
    return float(sliced_wasserstein(true, moved, weights, directions_of(true.shape[1], _DIRECTIONS, like=true)))


def _phases(
    adversaries: Adversaries, settings: TrainingSettings, *, closeness: float, critic_steps: int
) -> list[Phase]:
    """Critic and map by turns; neither can be compiled, for the gradient penalty and for flows that are inverted."""
    loss = NonSaturating()
    optimiser = Adam(
        learning_rate=settings.learning_rate,
        betas=(0.5, 0.99),
        weight_decay=settings.weight_decay,
        schedule=settings.schedule,
        clip=settings.clip,
    )
    of_critic = CriticLoss(adversaries, loss, _PENALTY)
    critic = Phase("critic", of_critic, trainable(adversaries.critic), optimiser, repeat=critic_steps, compile=False)
    of_map = MapLoss(adversaries, loss, closeness)
    return [critic, Phase("map", of_map, trainable(adversaries.maker), optimiser, compile=False)]


def _adversaries(network: ComposedFlow, features: int, context: int, *, seed: int) -> Adversaries:
    """The map with an untrained critic, whose initial weights are drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Adversaries(PairMap(network), Critic(features, context, hidden=64, layers=2))


def _drawn(events: int, weights: Array | None, seed: int) -> Any:
    """Rows (N,) of so many events, by their weights if they differ."""
    if weights is None or np.ptp(weights) == 0:
        return np.arange(events)
    share = np.asarray(weights, np.float64)
    return np.random.default_rng(seed).choice(events, events, p=share / share.sum())
