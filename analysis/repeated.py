"""Events that are the same under other numbers: a sample doubled by mistake, which no number gives away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray
from analysis.folds import hash_of

# A sample is doubled or tripled by mistake; what occurs more often is a value that stands for "none".
_MOST_COPIES = 8
# Fewer are not worth a word.
_FEWEST = 3
# By how much the coincidences must exceed those expected, which are known to within a factor.
_MARGIN = 3.0
# Steps between equal values that are tried as the step of a lattice.
_STEPS = 6
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Repeated:
    """`events` have the mass and all features of another event; `expected` pairs would by chance.

    `first` and `second` are rows of one pair.
    """

    events: int
    expected: float
    first: int
    second: int


def repeated_events(events: Events) -> Repeated | None:
    """Events that share mass and features, bit for bit, with others; None if there are no more than chance would give.

    Discrete values coincide by chance. How often is told by their neighbours: on a lattice as many pairs are one step
    apart as are equal, while copies are equal and have no neighbours. So the pairs whose masses are one step apart and
    whose features are equal or next to each other bound those that chance makes equal, however features and mass hang
    together.
    """
    pairs, copies, where = _equal_pairs(events)
    if copies < _FEWEST:
        return None
    expected = _by_chance(events)
    if pairs <= _MARGIN * (expected + 1):
        return None
    return Repeated(copies, expected, *where)


def _equal_pairs(events: Events) -> tuple[int, int, tuple[int, int]]:
    """Pairs of equal events, events that repeat one before them, and the rows of the first such pair."""
    order = np.argsort(events.mass, kind="stable")
    tied = np.flatnonzero(_has_equal_neighbour(events.mass[order]))
    if len(tied) == 0:
        return 0, 0, (0, 0)
    rows = np.sort(order[tied])
    keys = _content_keys(events.mass[rows], events.x[rows])
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, keys[order][1:] != keys[order][:-1]])
    counts = np.diff(np.r_[starts, len(keys)])
    few = (counts > 1) & (counts <= _MOST_COPIES)
    if not few.any():
        return 0, 0, (0, 0)
    first = starts[few][np.argmin(rows[order[starts[few]]])]
    pairs = int((counts[few] * (counts[few] - 1) // 2).sum())
    return pairs, int((counts[few] - 1).sum()), (int(rows[order[first]]), int(rows[order[first + 1]]))


def _has_equal_neighbour(values: FloatArray) -> NDArray[np.bool_]:
    equal = values[1:] == values[:-1]
    result: NDArray[np.bool_] = np.r_[False, equal] | np.r_[equal, False]
    return result


def _content_keys(*arrays: FloatArray) -> NDArray[np.uint64]:
    """64-bit hash of the bits of every row of all arrays, with one zero: (n,)."""
    words = np.concatenate([_bits(array.reshape(len(array), -1)) for array in arrays], axis=1)
    words = np.pad(words, ((0, 0), (0, -words.shape[1] % 3)))
    key = np.zeros(len(words), dtype=np.uint64)
    for start in range(0, words.shape[1], 3):
        key = hash_of(np.stack([key ^ words[:, start], words[:, start + 1], words[:, start + 2]], axis=1))
    return key


def _bits(values: FloatArray) -> NDArray[np.uint64]:
    # Adding zero makes -0.0 the same as 0.0.
    plain = values + values.dtype.type(0)
    return np.ascontiguousarray(plain).view(f"u{plain.dtype.itemsize}").astype(np.uint64)


def _by_chance(events: Events) -> float:
    """Bound of the pairs that are equal in everything without being copies."""
    distinct, site, counts = np.unique(events.mass, return_inverse=True, return_counts=True)
    if len(distinct) < 2:
        return np.inf
    scales = (distinct, _ordinals(distinct))
    neighbours = [_next_sites(values, step) for values in scales for step in _steps(values, counts > 1)]
    levels = _levels(events)
    return max((_near_pairs(site, counts, to, levels) for to in neighbours), default=0.0)


def _near_pairs(
    site: NDArray[np.int64], counts: NDArray[np.int64], to: NDArray[np.int64], levels: NDArray[np.int64]
) -> float:
    """Pairs with masses one step apart and features equal or next to each other; halved, as equal ones are counted."""
    first, second = _paired(site, counts, to)
    if len(first) == 0:
        return 0.0
    alike = (np.abs(levels[first] - levels[second]) <= 1).all(axis=1)
    pairs = float((counts[to >= 0] * counts[to[to >= 0]].astype(np.float64)).sum())
    return 0.5 * pairs * max(int(alike.sum()), 1) / len(first)


def _levels(events: Events) -> NDArray[np.int64]:
    """Rank of every feature among its values, (N, D); of clouds twice the rank of the whole, so that none is next."""
    if events.x.ndim > 2:
        return 2 * np.unique(_content_keys(events.x), return_inverse=True)[1][:, None]
    return np.stack([np.unique(values, return_inverse=True)[1] for values in events.x.T], axis=1)


def _steps(values: NDArray[Any], tied: NDArray[np.bool_]) -> FloatArray:
    """The smallest step between values, and the smallest and the most frequent ones between those that are there twice.

    Values that are there twice belong to the lattice, if others are on none.
    """
    # Values that were divided by 1000 are on a lattice but for rounding.
    found, times = np.unique(np.diff(values[tied]).astype(np.float32), return_counts=True)
    frequent = found[np.argsort(-times, kind="stable")[:_STEPS]]
    return np.unique(np.r_[np.diff(values).min(), found[:1], frequent].astype(np.float64))


def _next_sites(values: NDArray[Any], step: float) -> NDArray[np.int64]:
    """Position of the value one step above each value, -1 where there is none, (n,)."""
    scaled = (values - values[0]).astype(np.float64)
    target = scaled + step
    tolerance = _ROUNDING * step
    found = np.searchsorted(scaled, target - tolerance)
    near = scaled[np.minimum(found, len(scaled) - 1)]
    return np.where((found < len(scaled)) & (np.abs(near - target) <= tolerance), found, -1)


def _paired(
    site: NDArray[np.int64], counts: NDArray[np.int64], to: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of events, each with that of a random event of the next site."""
    by_site = np.argsort(site, kind="stable")
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    rows = np.flatnonzero(to[site] >= 0)
    chosen = np.random.default_rng(0).integers(0, counts[to[site[rows]]])
    return rows, by_site[starts[to[site[rows]]] + chosen]


def _ordinals(values: FloatArray) -> NDArray[np.int64]:
    """Number of each double-precision value in the order of all of them."""
    bits = values.astype(np.float64).view(np.int64)
    return np.where(bits < 0, np.iinfo(np.int64).min - bits, bits)
