"""Arrays that grow by their first axis, with little more memory than their rows need."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

#: Room beyond what is needed, as a part of it; what is not used is given back at the end.
_AHEAD = 16


class GrowingArray:
    """Rows (N, *row) of which nobody knows how many will come.

    The memory of a large array is extended by the system, which copies nothing on Linux; parts that are kept until all
    are there and then joined would take twice as much.
    """

    def __init__(self, row: tuple[int, ...], dtype: DTypeLike) -> None:
        self._array: NDArray[Any] = np.empty((0, *row), dtype)
        self._rows = 0

    def append(self, rows: NDArray[Any]) -> None:
        """Take rows (B, *row) in, as a copy."""
        end = self._rows + len(rows)
        if end > len(self._array):
            self._resize(end + end // _AHEAD)
        self._array[self._rows : end] = rows
        self._rows = end

    def finished(self) -> NDArray[Any]:
        """All rows, (N, *row); nothing can be appended afterwards."""
        self._resize(self._rows)
        array, self._array = self._array, np.empty(0)
        return array

    def _resize(self, rows: int) -> None:
        # Nobody else has seen the array.
        self._array.resize((rows, *self._array.shape[1:]), refcheck=False)
