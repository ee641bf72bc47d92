"""What was in a file before the selection: entries, weights, and luminosity blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.errors import MissingValueError, NonFiniteError
from analysis.expressions.chunk import Chunk
from analysis.selection import Expression

#: run -> ranges of luminosity blocks, first and last, as CMS lists them: {"273158": [[1, 12], [14, 15]]}.
Blocks = Mapping[str, Sequence[Sequence[int]]]


class Account:
    """Counts all entries of a file as they are read, selected or not.

    Attributes
    ----------
    entries : that were read.
    """

    def __init__(self) -> None:
        self.entries = 0
        self._weights: list[float] = []
        self._blocks: set[tuple[int, int]] = set()

    def add(self, chunk: Chunk, weight: Expression | None, ids: NDArray[np.uint64], *, numbered: bool) -> None:
        """Count a chunk; ids (n, 3) of all its entries name luminosity blocks if they are `numbered` by three."""
        self.entries += len(ids)
        if weight is not None:
            try:
                values = weight.values(chunk, None, name="weight").astype(np.float64)
            except (MissingValueError, NonFiniteError):
                # Of entries that nobody selects it need not make sense.
                values = np.array([math.nan])
            self._weights.append(math.fsum(values) if np.isfinite(values).all() else math.nan)
        if numbered:
            self._blocks |= {(int(run), int(block)) for run, block in np.unique(ids[:, :2], axis=0)}

    @property
    def sum_of_weights(self) -> float:
        """Of all entries, which count 1 each where nothing has a weight; NaN if some entry has none."""
        return math.fsum(self._weights) if self._weights else float(self.entries)

    @property
    def blocks(self) -> Blocks:
        """Luminosity blocks with at least one entry, none where events are not numbered by them."""
        return ranges_of(self._blocks)


def merged(blocks: Sequence[Blocks]) -> Blocks:
    """The luminosity blocks of several files."""
    return ranges_of(
        {
            (int(run), block)
            for each in blocks
            for run, ranges in each.items()
            for low, high in ranges
            for block in range(low, high + 1)
        }
    )


def ranges_of(blocks: set[tuple[int, int]]) -> Blocks:
    """Pairs of run and luminosity block as ranges by run.

    >>> ranges_of({(7, 1), (7, 2), (7, 4), (9, 3)})
    {'7': [[1, 2], [4, 4]], '9': [[3, 3]]}
    """
    found: dict[str, list[list[int]]] = {}
    for run, block in sorted(blocks):
        ranges = found.setdefault(str(run), [])
        if ranges and ranges[-1][1] == block - 1:
            ranges[-1][1] = block
        else:
            ranges.append([block, block])
    return found
