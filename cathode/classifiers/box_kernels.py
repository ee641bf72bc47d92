"""Sums over the boxes of trees in one pass over the rows, compiled for the CPU by numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.flows.kernels import compiled

#: Upper bits of this number times a power of two of 32 bits are another number for each power (a de Bruijn sequence).
_SEQUENCE32 = 0x077CB531
_SEQUENCE64 = 0x03F79D71B4CB0A89
#: Rows that are summed up before the next trees are looked at: they and the tables stay in the cache.
_BLOCK = 2048


def values_by_bit(values: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    """Values (boxes,) of the boxes of bits 0, 1, … where `add_pairs` and `add_trees` look for them, (bits,)."""
    kind, sequence, shift = (np.uint32, _SEQUENCE32, 27) if bits == 32 else (np.uint64, _SEQUENCE64, 58)
    powers = np.left_shift(1, np.arange(len(values)), dtype=kind, casting="unsafe")
    out = np.zeros(bits)
    out[np.right_shift(powers * kind(sequence), kind(shift)).astype(np.int64)] = values
    return out


@compiled
def add_pairs(bins: Any, tables: Any, values: Any, out: Any) -> None:
    """Add to `out` (N,) what trees of up to 32 boxes say of binned rows (D, N), two trees at once.

    `tables` (pairs, D, 256) says which boxes of the two trees allow a bin, the first in the lower bits; `values`
    (pairs, 2, 32) what a box adds.
    """
    low, sequence, shift = np.uint64(0xFFFFFFFF), np.uint64(_SEQUENCE32), np.uint64(27)
    for start in range(0, bins.shape[1], _BLOCK):
        stop = min(start + _BLOCK, bins.shape[1])
        for pair in range(len(tables)):
            table, first, second = tables[pair], values[pair, 0], values[pair, 1]
            for row in range(start, stop):
                boxes = table[0, bins[0, row]]
                for column in range(1, len(bins)):
                    boxes &= table[column, bins[column, row]]
                out[row] += first[(((boxes & low) * sequence) & low) >> shift]
                out[row] += second[(((boxes >> np.uint64(32)) * sequence) & low) >> shift]


@compiled
def add_trees(bins: Any, tables: Any, values: Any, out: Any) -> None:
    """As `add_pairs` for trees of up to 64 boxes, `tables` (trees, D, 256) and `values` (trees, 64)."""
    sequence, shift = np.uint64(_SEQUENCE64), np.uint64(58)
    for start in range(0, bins.shape[1], _BLOCK):
        stop = min(start + _BLOCK, bins.shape[1])
        for tree in range(len(tables)):
            table, value = tables[tree], values[tree]
            for row in range(start, stop):
                box = table[0, bins[0, row]]
                for column in range(1, len(bins)):
                    box &= table[column, bins[column, row]]
                out[row] += value[(box * sequence) >> shift]
