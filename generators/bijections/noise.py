"""Base of maps that give a discrete value a range of continuous ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from generators.bijections.base import FittedBijection

#: Coprime to every power of two, and with well spread powers modulo 64.
_MULTIPLIER = 19


@dataclass(eq=False, repr=False)
class NoisyBijection(FittedBijection):
    """A map from values, some of which are discrete, and uniform noise to a continuous z.

    A discrete value becomes an interval of z; the noise v in (0, 1) of its row and column decides where in it z lies.
    What is called log|det| is that of z by the continuous columns and by v of the discrete ones, so that the
    probability of a row, per unit of its continuous columns, is exactly

        P(x) = ∫ p(z(x, v)) |det| dv  over the unit cube of the noise,

    whose logarithm is bounded from below by the mean of log p(z(x, v)) + log|det| over v: 1/|det| is the density
    q(z | x) of dequantisation (Theis et al., 1511.01844; Ho et al., 1902.00275). A value that can not occur has
    log|det| = −∞. Noise (N, D) that is not given is 1/2 in `forward` and drawn with seed 0 in `fit`; `discrete_columns`
    are those that matter. The inverse needs no noise.
    """

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._spread(x, context, torch.full_like(x, 0.5))


def lattice(nodes: int, columns: list[int], features: int) -> Tensor:
    """Noise for `columns` of `features`, (nodes, features); `nodes` is a power of two.

    The mean of a function of the noise at these points of a rank-one lattice (Sloan & Joe 1994) approximates its
    integral over the unit cube; along every axis they lie in the middles of equal steps. Without columns one point is
    all.

    >>> lattice(4, [0, 2], features=3).tolist()
    [[0.125, 0.5, 0.125], [0.375, 0.5, 0.875], [0.625, 0.5, 0.625], [0.875, 0.5, 0.375]]
    """
    noise = torch.full((nodes if columns else 1, features), 0.5, dtype=torch.float64)
    if columns:
        steps = torch.tensor([pow(_MULTIPLIER, power, nodes) for power in range(len(columns))])
        noise[:, columns] = ((torch.arange(nodes)[:, None] * steps % nodes).double() + 0.5) / nodes
    return noise
