"""Normal scores of a feature at its mass: what moves with the mass is taken out of it, edges too."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import torch
from torch import Tensor

from generators.bijections.smooth import least_squares, polynomials

#: Probabilities of the quantiles that are followed, denser where a distribution may end.
_LEVELS = (0.002, 0.01, *np.linspace(0.03, 0.97, 20).tolist(), 0.99, 0.998)

#: The score beyond the outermost of them that lies as far out again as they do from the median.
_OUTERMOST = 6.0

#: Effective events of a bin of mass, bins at most, and at least on either side of the window.
_EVENTS, _MOST, _BESIDE = 200, 14, 2

#: A gap between masses is the window if it is this part of their range.
_WINDOW = 0.05

#: Order of the polynomials: lower ones miss a threshold, higher ones go astray in the window.
_ORDER = 3

#: Neighbouring quantiles are this far apart at least, relative to the range of the feature.
_APART = 1e-3


@dataclass(frozen=True, eq=False)
class MassQuantiles:
    """z = Φ⁻¹(F(x | m)) of a continuous feature x at its mass m in GeV, linear between quantiles and beyond the last.

    A density with an edge that moves with the mass is hard to interpolate: halfway between two sidebands a network
    mixes both edges. Quantiles are easy. They are read off in bins of mass, none of which reaches across the window;
    the lowest one and the logarithms of the distances between neighbours are polynomials of the logarithm of the mass,
    so that no two of them ever cross, and keep the values that they have in the outermost bins beyond these. In
    between this is the morphing of Read (Nucl. Instrum. Meth. A 425 (1999) 357). z is about standard normal in the
    window too; what is not is left to the density that is learned of it.

    `low` and `high` (1,) are the masses of the outermost bins, `lowest` (K,) and `distances` (K, Q − 1) coefficients.
    """

    low: Tensor
    high: Tensor
    lowest: Tensor
    distances: Tensor

    @classmethod
    def of(cls, x: Tensor, mass: Tensor, weights: Tensor) -> Self:
        """From a feature (N,), masses (N,) and weights (N,), of which negative ones count as none."""
        used = weights > 0
        order = torch.argsort(mass[used])
        x, mass, weights = (values[used][order] for values in (x, mass, weights))
        centres, quantiles = [], []
        for rows in _bins(mass, weights):
            centres.append((weights[rows] @ mass[rows]) / weights[rows].sum())
            quantiles.append(_quantiles(x[rows], weights[rows]))
        # Beyond the outermost bins polynomials would go astray.
        low, high = centres[0][None], centres[-1][None]
        basis = polynomials(torch.stack(centres)[:, None], low, high, _ORDER)
        at = torch.stack(quantiles)
        equal = at.new_full((len(at),), 1 / len(at))
        least = max(_APART * float(x.max() - x.min()), torch.finfo(x.dtype).tiny)
        apart = at.diff(dim=1).clamp(min=least).log()
        return cls(low, high, least_squares(basis, at[:, 0], equal), least_squares(basis, apart, equal))

    def scores(self, x: Tensor, mass: Tensor) -> Tensor:
        """Normal scores z (N,) of x (N,) at masses (N,)."""
        knots = self._knots(mass)
        return _along(x, knots, _scores(x).expand_as(knots))

    def values(self, z: Tensor, mass: Tensor) -> Tensor:
        """The x (N,) with scores z (N,) at masses (N,), the inverse of `scores`."""
        knots = self._knots(mass)
        return _along(z, _scores(z).expand_as(knots), knots)

    def state(self) -> dict[str, Tensor]:
        """As named tensors."""
        return dict(vars(self))

    def _knots(self, mass: Tensor) -> Tensor:
        """The quantiles (N, Q + 2) at masses (N,), ascending, and one beyond them on either side."""
        basis = polynomials(mass[:, None], self.low, self.high, _ORDER)
        knots = torch.cat([(basis @ self.lowest)[:, None], (basis @ self.distances).exp()], dim=1).cumsum(dim=1)
        middle = knots[:, [len(_LEVELS) // 2]]
        first, last = knots[:, :1], knots[:, -1:]
        return torch.cat([2 * first - middle, knots, 2 * last - middle], dim=1)


def _bins(mass: Tensor, weights: Tensor) -> list[slice]:
    """Slices of ascending masses (N,) with about equal weight, none of them on both sides of the window."""
    effective = float(weights.sum().square() / weights.square().sum())
    bins = min(max(int(effective / _EVENTS), 2 * _BESIDE), _MOST)
    # What lies above the gap has to fill its bins: a few far events are no sideband.
    between = mass[_BESIDE : len(mass) - _BESIDE].diff()
    if len(between) == 0 or float(between.max()) < _WINDOW * float(mass[-1] - mass[0]):
        return _equal(weights, 0, bins)
    cut = _BESIDE + int(between.argmax()) + 1
    share = float(weights[:cut].sum() / weights.sum())
    below = min(max(round(bins * share), _BESIDE), bins - _BESIDE)
    return _equal(weights[:cut], 0, below) + _equal(weights[cut:], cut, bins - below)


def _equal(weights: Tensor, start: int, bins: int) -> list[slice]:
    """So many slices of equal weight, from an index on; fewer where single events weigh more."""
    edges = torch.searchsorted(_middles(weights), torch.arange(bins + 1, dtype=weights.dtype) / bins).tolist()
    return [slice(start + low, start + high) for low, high in pairwise(edges) if high > low]


def _quantiles(x: Tensor, weights: Tensor) -> Tensor:
    """Weighted quantiles (Q,) of x (N,)."""
    order = torch.argsort(x)
    return x.new_tensor(np.interp(_LEVELS, _middles(weights[order]).numpy(), x[order].numpy()))


def _middles(weights: Tensor) -> Tensor:
    """Distribution function (N,) in the middle of the step of every event."""
    return (weights.cumsum(0) - weights / 2) / weights.sum()


def _scores(like: Tensor) -> Tensor:
    """Normal scores (Q + 2,) of the levels and of what lies beyond."""
    z = torch.special.ndtri(like.new_tensor(_LEVELS))
    return torch.cat([z.new_tensor([-_OUTERMOST]), z, z.new_tensor([_OUTERMOST])])


def _along(at: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Points (N,) moved by the line through knots from `start` to `end` (N, K); its last segments go on for ever."""
    left = (torch.searchsorted(start.contiguous(), at[:, None].contiguous()) - 1).clamp(0, start.shape[1] - 2)
    below, above, low, high = (knots.gather(1, left + i)[:, 0] for knots in (start, end) for i in (0, 1))
    return low + (at - below) / (above - below) * (high - low)
