"""A map between contexts, learned by the likelihood of what it makes of an event at another context."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from generators.errors import HyperparameterError
from generators.protocols import Array, Monitor
from generators.tabular.base import ConditionalDensity, FeatureDensity, TabularGenerator, log_likelihood
from generators.tabular.composed import ComposedFlow
from generators.tabular.likelihood_loss import require_likelihood_loss
from generators.training.batches import TrainingData
from generators.training.phases import Phase, trainable
from generators.training.trained import Trained


def fit_pairs(
    flow: TabularGenerator[Any],
    base: FeatureDensity,
    x: Array,
    context: Array,
    *,
    weights: Array | None = None,
    seed: int,
    monitor: Monitor | None = None,
) -> TabularGenerator[Any]:
    """Fit `flow` g so that T = g(·; b)⁻¹ ∘ g(·; a) takes events at context a to the density `base` at context b.

    The loss of an event x at a, with the context b of another event, is −ln p_base(T(x) | b) − ln|det dT/dx|, which is
    that of CURTAINsF4F (Sengupta et al., 2305.04646). There the map is a free function of both contexts; as a quotient
    of one flow it is the identity for a = b, and its inverse is the map from b to a, whatever was learned.

    x (N, D), context (N, C), weights (N,); `base` was fitted to the same. `generators.tabular.transport` applies the
    map. Returns `flow`, fitted.

    Raises
    ------
    HyperparameterError
        If a network of `flow` is no composition of transforms, `base` is not trained by its likelihood, or the
        preprocessing of both differs.
    """

    def learn(learner: TabularGenerator[Any], data: TrainingData) -> Trained:
        _require_equal(learner, base)
        require_likelihood_loss(base)
        network = composed(learner, data, seed=seed)
        objective = PairLikelihood(network, copy.deepcopy(base.networks_[0]).float())
        phase = Phase(learner.kind, objective, trainable(network), compile=False)
        return learner.trained(objective, [phase], data, seed=seed, monitor=monitor, keep=network)

    return flow.fit_by(learn, x, context, weights=weights, seed=seed)


class PairLikelihood(nn.Module):
    """Minus the log-likelihood, under a fixed density, of events that are moved to the contexts of others."""

    def __init__(self, network: ComposedFlow, base: ConditionalDensity) -> None:
        super().__init__()
        self.network, self.base = network, base

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Loss of every event (N,), each with the context of another event of the batch."""
        other = c[torch.randperm(len(c), device=c.device)]
        moved, total = moved_between(self.network, z, c, other)
        return -log_likelihood(self.base, moved, other) - total


def moved_between(network: ComposedFlow, z: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Events z (N, D) at contexts `start` (N, C), with the noise that a flow ascribes to them, at `end`, and ln|det|.

    In the precision of the weights, and with gradients: for trainings. `generators.tabular.transport` is for use.
    """
    moved, total = z, z.new_zeros(len(z))
    for transform in network.transforms:
        moved, log_det = transform(moved, start)
        total = total + log_det
    for transform in reversed(network.transforms):
        inverse: Any = transform.inverse
        moved, log_det = inverse(moved, end)
        total = total + log_det
    return moved, total


def composed(learner: TabularGenerator[Any], data: TrainingData, *, seed: int) -> ComposedFlow:
    """The untrained network of a flow whose quotients are maps between contexts.

    Raises
    ------
    HyperparameterError
        If it is no composition of transforms.
    """
    network = learner.untrained(data, seed=seed)
    if not isinstance(network, ComposedFlow):
        raise HyperparameterError(
            f"'{learner.kind}' is no composition of transforms; take one such as coupling_spline."
        )
    return network


def _require_equal(learner: TabularGenerator[Any], base: FeatureDensity) -> None:
    """Both must see the same numbers, or the density of one is not that of what the other makes."""
    ours, theirs = learner.bijection_.state_dict(), base.bijection_.state_dict()
    same = ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())
    if not same:
        raise HyperparameterError(
            f"The preprocessing of '{learner.kind}' and of its base '{base.kind}' differ; give both the same "
            "bijection, and fit both to the same events."
        )
