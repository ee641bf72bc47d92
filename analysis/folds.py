"""Folds by hash of the event identifiers: the same event is in the same fold on every machine and in every run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.errors import IdentifierError

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def _splitmix64(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One step of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014) on every element."""
    z = state + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


def hash_of(ids: NDArray[np.uint64], *, salt: int = 0) -> NDArray[np.uint64]:
    """64-bit hash of event identifiers: (N, 3) uint64 run, luminosity block, event -> (N,).

    Each number passes through SplitMix64 before the next is mixed in, so (1, 2, 3) and (3, 2, 1) differ.
    """
    if ids.ndim != 2 or ids.shape[1] != 3:
        raise IdentifierError(f"Event identifiers need the shape (N, 3) of run, lumi and event, not {ids.shape}.")
    columns = np.asarray(ids, dtype=np.uint64)
    # Array arithmetic wraps silently, which is what the hash wants; a uint64 scalar would warn.
    state = _splitmix64(np.full(1, salt % 2**64, dtype=np.uint64))
    for column in columns.T:
        state = _splitmix64(state ^ column)
    return state


def fold_of(ids: NDArray[np.uint64], n_folds: int, *, salt: int = 0) -> NDArray[np.int64]:
    """Fold of every event: (N, 3) uint64 -> (N,) int64 in [0, n_folds).

    Depends on (run, lumi, event) and the salt only: not on file order, window, selection or seed. `event % k`, which is
    common, puts samples with even event numbers into half of the folds; the hash does not.
    """
    if n_folds < 1:
        raise IdentifierError(f"The number of folds is {n_folds}; it must be at least 1.")
    return (hash_of(ids, salt=salt) % np.uint64(n_folds)).astype(np.int64)


def random_folds(size: int, folds: int, *, seed: int) -> NDArray[np.int64]:
    """Fold of every event of a sample without identifiers, (size,): equal sizes, random order."""
    return np.random.default_rng(seed).permutation(np.arange(size, dtype=np.int64) % folds)
