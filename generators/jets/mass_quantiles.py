"""Normal scores of a feature at its mass: what moves with the mass is taken out of it, edges too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from generators.bijections.smooth import least_squares, polynomials

#: Probabilities of the quantiles that are followed, denser where a distribution may end.
_LEVELS = (0.002, 0.01, *np.linspace(0.03, 0.97, 20).tolist(), 0.99, 0.998)

#: Events of a bin of mass at least, and bins at least and at most.
_EVENTS, _FEWEST, _MOST = 200, 3, 14

#: Order of the polynomials: higher ones follow the sidebands better, and go astray in the window.
_ORDER = 2

#: Neighbouring quantiles are this far apart at least, relative to the range of the feature.
_APART = 1e-6


@dataclass(frozen=True, eq=False)
class MassQuantiles:
    """z = Φ⁻¹(F(x | m)) of a feature x at its mass m, linear between quantiles and beyond the last ones.

    A density with an edge that moves with the mass is hard to interpolate: halfway between two sidebands a network
    mixes both edges. Quantiles are easy. They are read off in bins of mass; the lowest one and the logarithms of the
    distances between neighbours are polynomials of the logarithm of the mass, so that no two of them ever cross, and
    keep the values that they have in the outermost bins beyond these. In between this is the morphing of Read (Nucl.
    Instrum. Meth. A 425 (1999) 357), and z is nearly standard normal at every mass.
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
        bins = min(max(len(x) // _EVENTS, _FEWEST), _MOST)
        of_bin = (_middles(weights) * bins).long()
        centres, quantiles = [], []
        for index in range(bins):
            rows = of_bin == index
            if not rows.any():
                continue
            centres.append((weights[rows] @ mass[rows]) / weights[rows].sum())
            quantiles.append(_quantiles(x[rows], weights[rows]))
        # Beyond the outermost bins polynomials would go astray.
        low, high = centres[0][None], centres[-1][None]
        basis = polynomials(torch.stack(centres)[:, None], low, high, _ORDER)
        at = torch.stack(quantiles)
        equal = at.new_full((len(at),), 1 / len(at))
        apart = at.diff(dim=1).clamp(min=_APART * float(x.max() - x.min())).log()
        return cls(low, high, least_squares(basis, at[:, 0], equal), least_squares(basis, apart, equal))

    def scores(self, x: Tensor, mass: Tensor) -> Tensor:
        """Normal scores z (N,) of x (N,) at masses (N,)."""
        knots, z = self._knots(mass), _scores(x)
        left = _segment(torch.searchsorted(knots, x[:, None].contiguous()))
        start, end = knots.gather(1, left)[:, 0], knots.gather(1, left + 1)[:, 0]
        below, above = z[left[:, 0]], z[left[:, 0] + 1]
        return below + (x - start) / (end - start) * (above - below)

    def values(self, z: Tensor, mass: Tensor) -> Tensor:
        """The x (N,) with scores z (N,) at masses (N,), the inverse of `scores`."""
        knots, known = self._knots(mass), _scores(z)
        left = _segment(torch.searchsorted(known, z.contiguous())[:, None])
        start, end = knots.gather(1, left)[:, 0], knots.gather(1, left + 1)[:, 0]
        below, above = known[left[:, 0]], known[left[:, 0] + 1]
        return start + (z - below) / (above - below) * (end - start)

    def state(self) -> dict[str, Tensor]:
        """As named tensors."""
        return dict(vars(self))

    def _knots(self, mass: Tensor) -> Tensor:
        """The quantiles (N, K) at masses (N,), ascending."""
        basis = polynomials(mass[:, None], self.low, self.high, _ORDER)
        return torch.cat([(basis @ self.lowest)[:, None], (basis @ self.distances).exp()], dim=1).cumsum(dim=1)


def _quantiles(x: Tensor, weights: Tensor) -> Tensor:
    """Weighted quantiles (K,) of x (N,)."""
    order = torch.argsort(x)
    return x.new_tensor(np.interp(_LEVELS, _middles(weights[order]).numpy(), x[order].numpy()))


def _middles(weights: Tensor) -> Tensor:
    """Distribution function (N,) in the middle of the step of every event."""
    return (weights.cumsum(0) - weights / 2) / weights.sum()


def _scores(like: Tensor) -> Tensor:
    """Normal scores (K,) of the levels."""
    return math.sqrt(2) * torch.erfinv(2 * like.new_tensor(_LEVELS) - 1)


def _segment(right: Tensor) -> Tensor:
    """Index of the left end of the segment for an insertion point; the outermost segments go on for ever."""
    return (right - 1).clamp(0, len(_LEVELS) - 2)
