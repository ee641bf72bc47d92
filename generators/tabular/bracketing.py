"""Which events stand for the background at a mass: one from below or one from above, by odds linear in ln m."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.errors import ContextRangeError, HyperparameterError, ShapeError, WeightError
from generators.protocols import Array


@dataclass(frozen=True, eq=False)
class Bracketing:
    """Training events in the order of their masses (N,), and the sum of their weights up to each, (N + 1,).

    At a mass m, the events beside it end where the gap around m begins: the last event not above m and the first one
    above. From each side one event is chosen, by weight, of those within the factor `reach` of that edge; the one from
    above is taken with probability (ln m − ln m₁)/(ln m₂ − ln m₁). So the mean of ln m′ over the chosen events is
    ln m, and a density whose change with ln m is a straight line is met exactly.
    """

    mass: NDArray[np.float64]
    cumulative: NDArray[np.float64]
    reach: float

    @classmethod
    def of(cls, mass: Array, weights: Array, reach: float) -> Bracketing:
        """From ascending masses (N,) and weights (N,).

        Raises
        ------
        WeightError
            If a weight is negative: an event can not be chosen less than never.
        """
        if np.any(weights < 0):
            raise WeightError(
                f"{int((weights < 0).sum())} of {len(weights)} event weights are negative; events are chosen with a "
                "probability, which can not be. Use a generator that draws, such as autoregressive_spline."
            )
        return cls(
            np.asarray(mass, np.float64), np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)]), float(reach)
        )

    def choose(self, mass: Array, *, seed: int) -> NDArray[np.int64]:
        """One training event for each of the masses (T,), as its place in the order of masses, (T,).

        Each side is gone through evenly: no event is chosen twice before its share of the others was chosen.

        Raises
        ------
        ContextRangeError
            If there is no event on one side of a mass.
        """
        m = np.asarray(mass, np.float64)
        edge = np.searchsorted(self.mass, m, side="right")
        self._refuse_outside(m, edge)
        rng = np.random.default_rng(seed)
        start = np.searchsorted(self.mass, self.mass[edge - 1] / self.reach, side="left")
        stop = np.searchsorted(self.mass, self.mass[edge] * self.reach, side="right")
        below = self._by_weight(start, edge, _evenly(len(m), rng))
        above = self._by_weight(edge, stop, _evenly(len(m), rng))
        low, high = np.log(self.mass[below]), np.log(self.mass[above])
        from_above = rng.random(len(m)) * (high - low) < np.log(m) - low
        return np.where(from_above, above, below)

    def _by_weight(
        self, start: NDArray[np.int64], stop: NDArray[np.int64], u: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """The event in start ≤ i < stop at the fraction u (T,) of the weight there."""
        low, high = self.cumulative[start], self.cumulative[stop]
        found = np.searchsorted(self.cumulative, low + u * (high - low), side="right") - 1
        return np.clip(found, start, stop - 1)

    def _refuse_outside(self, mass: NDArray[np.float64], edge: NDArray[np.int64]) -> None:
        outside = (edge == 0) | (edge == len(self.mass))
        if outside.any():
            raise ContextRangeError(
                f"{int(outside.sum())} of {len(mass)} masses, such as {mass[outside][0]:g}, do not lie between the "
                f"training events, from {self.mass[0]:g} to {self.mass[-1]:g}. Events are needed on both sides."
            )


def require_reach(kind: str, reach: Any) -> None:
    """Refuse a factor that does not reach beyond the edge."""
    if not 1 < reach < np.inf:
        raise HyperparameterError(f"reach = {reach} of {kind} must be a finite factor above 1.")


def masses_of(context: Array) -> NDArray[np.float64]:
    """The one context column (N,), a positive mass.

    Raises
    ------
    ShapeError, ContextRangeError
        If there are several columns, or a mass is not positive.
    """
    c = np.asarray(context, np.float64)
    c = c[:, None] if c.ndim == 1 else c
    if c.ndim != 2 or c.shape[1] != 1:
        raise ShapeError(f"context has shape {c.shape}; events can be chosen at one mass each, (events, 1).")
    mass: NDArray[np.float64] = c[:, 0]
    wrong = ~(np.isfinite(mass) & (mass > 0))
    if wrong.any():
        raise ContextRangeError(
            f"{int(wrong.sum())} of {len(mass)} masses are not positive, such as {mass[wrong][0]:g}."
        )
    return mass


def _evenly(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One number in every one of `size` equal parts of [0, 1), in random order."""
    return (rng.permutation(size) + rng.random(size)) / max(size, 1)
