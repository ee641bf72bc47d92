"""Lists of different lengths as one padded array, the hardest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def hardest_first(
    cell: NDArray[np.int64], columns: Sequence[NDArray[Any]], momentum: NDArray[Any], *, cells: int, leading: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Distribute elements over cells: (cells, leading, columns) in falling momentum, then zeros; and counts (cells,).

    cell : (M,) which cell each element belongs to; momentum : (M,), elements of none are left out; columns : each (M,).
    Counts are those before the cut at `leading`. Elements of equal momentum keep their order.
    """
    x = np.zeros((cells * leading, len(columns)), dtype=np.float32)
    there = momentum > 0
    if not there.all():
        cell, momentum, columns = cell[there], momentum[there], [values[there] for values in columns]
    falls = (cell[1:] == cell[:-1]) & (momentum[1:] <= momentum[:-1])
    # Files usually have this order already, and then nothing is sorted.
    if not ((cell[1:] > cell[:-1]) | falls).all():
        order = np.lexsort((-momentum, cell))
        cell, columns = cell[order], [values[order] for values in columns]
    counts = np.bincount(cell, minlength=cells)
    position = np.arange(len(cell)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = position < leading
    place = cell[kept] * leading + position[kept]
    for axis, values in enumerate(columns):
        x[place, axis] = values[kept]
    return x.reshape(cells, leading, len(columns)), counts
