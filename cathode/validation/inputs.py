"""What features and weights look like before anything is trained: copies of the mass, spikes, steps, a heavy event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray

#: Rank correlation with the mass from which a feature is said to follow it, and to be the same.
FOLLOWS, EQUALS = 0.9, 0.999

#: Share of the events in a single value from which it is a spike, and mean share of a value of a column of steps.
SPIKE, STEP = 0.02, 0.005

#: Share of all weight in a single event from which it carries the sample.
HEAVY = 0.05

#: Events that are looked at; what is asked here is seen in these.
_SEEN = 20_000
_MEANINGFUL = 500


@dataclass(frozen=True)
class Column:
    """What is strange about a feature: `number` is a rank correlation, a count of values, or the value of a spike."""

    name: str
    index: int
    what: Literal["equals", "follows", "steps", "spike"]
    number: float
    share: float = 0.0


def strange_columns(events: Events) -> Iterator[Column]:
    """Features that follow the mass, have few values, or one value very often; of feature vectors alone."""
    if events.x.ndim != 2 or len(events) < _MEANINGFUL:
        return
    some = slice(None, None, -(-len(events) // _SEEN))
    x, mass = events.x[some], events.mass[some]
    for index, name in enumerate(events.columns):
        rho = rank_correlation(x[:, index], mass)
        if abs(rho) >= FOLLOWS:
            yield Column(name, index, "equals" if abs(rho) >= EQUALS else "follows", rho)
        values, counts = np.unique(x[:, index], return_counts=True)
        share = float(counts.max() / len(x))
        if 1 < len(values) < 1 / STEP:
            yield Column(name, index, "steps", len(values))
        elif len(values) > 1 and share >= SPIKE:
            yield Column(name, index, "spike", float(values[counts.argmax()]), share)


def heaviest(events: Events) -> tuple[int, float] | None:
    """Row of the event of the largest weight and its share of all, where that is too much; None where it is not."""
    size = np.abs(events.weights)
    if len(size) < _MEANINGFUL or not size.sum() > 0:
        return None
    row = int(size.argmax())
    share = float(size[row] / size.sum())
    return (row, share) if share >= HEAVY else None


def rank_correlation(a: FloatArray, b: FloatArray) -> float:
    """Spearman's ρ of two columns (N,); 0 where one is constant.

    >>> round(rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([3.0, 4.0, 5.0])), 3)
    1.0
    """
    first, second = _ranks(a), _ranks(b)
    spread = float(first.std() * second.std())
    return float(((first - first.mean()) * (second - second.mean())).mean() / spread) if spread > 0 else 0.0


def _ranks(values: FloatArray) -> NDArray[np.float64]:
    """Ranks (N,), equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)
