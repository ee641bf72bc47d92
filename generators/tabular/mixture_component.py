"""One component of a mixture, learned by maximum likelihood where the other is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
from generators.protocols import Array, Monitor
from generators.tabular.base import ConditionalDensity, TabularGenerator, log_likelihood
from generators.tabular.likelihood_loss import require_likelihood_loss
from generators.training.batches import TrainingData
from generators.training.phases import Phase, trainable
from generators.training.trained import Trained

#: The known density is nowhere smaller than this, in units of its logarithm; so far out it does not matter.
_LOWEST = -60.0
#: Log-ratios beyond this are as good as infinite.
_LARGEST = 50.0


def fit_component(
    density: TabularGenerator[Any],
    x: Array,
    context: Array,
    log_known: NDArray[np.float64],
    *,
    fraction: float | None = None,
    start: float = 0.01,
    weights: Array | None = None,
    seed: int,
    monitor: Monitor | None = None,
) -> TabularGenerator[Any]:
    """Fit `density` s so that w s + (1 − w) b describes events x (N, D) at context (N, C), where b is known.

    `log_known` (N,) is ln b of every event, per unit of x. The fraction w is fixed, or learned from `start` on, as the
    sigmoid of a free number; it is not kept, because the events that s was fitted to are no measure of it: see
    `best_fraction`. The loss is that of R-ANODE (Das, Kasieczka & Shih, 2312.11629). Returns `density`, fitted.

    Raises
    ------
    HyperparameterError
        If the network is no density or not trained by it, or a fraction does not lie between 0 and 1.
    ShapeError, NonFiniteInputError
        If `log_known` does not belong to x, or is NaN.
    """
    for name, value in (("fraction", fraction), ("start", start)):
        if value is not None and not 0 < value < 1:
            raise HyperparameterError(f"{name} = {value} of a component must lie between 0 and 1.")
    known = np.asarray(log_known, np.float64)
    if known.shape != (len(x),):
        raise ShapeError(f"log_known has shape {known.shape}; it must be ({len(x)},), one of every event.")
    if np.isnan(known).any():
        raise NonFiniteInputError(f"log_known: {int(np.isnan(known).sum())} values are NaN.")
    used = np.ones(len(x), bool) if weights is None else np.asarray(weights) != 0

    def learn(learner: TabularGenerator[Any], data: TrainingData) -> Trained:
        require_likelihood_loss(learner)
        network = learner.untrained(data, seed=seed)
        rows, raw = (torch.as_tensor(np.asarray(each, np.float64)[used]) for each in (x, context))
        _, log_det = learner.bijection_.forward(rows, raw)
        # Both densities per unit of what the network sees.
        other = (torch.as_tensor(known[used]) - log_det).clamp_min(_LOWEST).float()
        widened = TrainingData(data.x, torch.cat([data.context, other[:, None]], dim=1), data.weights)
        objective = Mixture(network, fraction, start)
        phase = Phase(learner.kind, objective, trainable(objective), compile=False)
        return learner.trained(objective, [phase], widened, seed=seed, monitor=monitor, keep=network)

    return density.fit_by(learn, x, context, weights=weights, seed=seed)


class Mixture(nn.Module):
    """Minus the log-likelihood of w s + (1 − w) b; the last column of the context is ln b."""

    def __init__(self, network: ConditionalDensity, fraction: float | None, start: float) -> None:
        super().__init__()
        self.network = network
        at = torch.tensor(math.log(start / (1 - start)) if fraction is None else math.log(fraction / (1 - fraction)))
        self.logit = nn.Parameter(at, requires_grad=fraction is None)

    def forward(self, z: Tensor, widened: Tensor) -> Tensor:
        """Loss of every event, (N,)."""
        context, known = widened[:, :-1], widened[:, -1]
        component = nn.functional.logsigmoid(self.logit) + log_likelihood(self.network, z, context)
        rest = nn.functional.logsigmoid(-self.logit) + known
        return -torch.logaddexp(component, rest)


def best_fraction(log_ratio: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> tuple[float, float]:
    """Fraction w that is most likely under w s + (1 − w) b, and its standard deviation, from ln s − ln b (N,).

    The likelihood of w is concave: w is its maximum in [0, 1]. The error is that of a sum of independent weighted
    events, by the squares of their slopes, so that it holds for densities that are not quite right too. The events
    must not be those that s was fitted to.
    """
    ratio = np.exp(np.clip(np.asarray(log_ratio, np.float64), -_LARGEST, _LARGEST)) - 1
    w = np.ones(len(ratio)) if weights is None else np.asarray(weights, np.float64)
    low, high = 0.0, 1.0
    if (w * ratio).sum() <= 0:
        high = low
    # Bisection of the slope, which falls.
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if (w * ratio / (1 + middle * ratio)).sum() > 0 else (low, middle)
    slope = ratio / (1 + low * ratio)
    curvature = (w * slope**2).sum()
    error = math.sqrt((w**2 * slope**2).sum()) / curvature if curvature > 0 else math.inf
    return low, error
