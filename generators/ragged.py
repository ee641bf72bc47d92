"""Events with different numbers of parts, such as clouds of points, without padding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.errors import ShapeError


@dataclass(frozen=True, eq=False)
class Ragged:
    """N events of which number i has the parts `values[offsets[i]:offsets[i + 1]]`, of values (M, F), offsets (N + 1,).

    It can be given wherever a generator of clouds takes x (N, P, F), P being the largest number of parts; slices of it
    are that, padded by zeros.

    Raises
    ------
    ShapeError
        If the offsets do not rise from 0 to the number of parts.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        values, offsets = np.asarray(self.values), np.asarray(self.offsets)
        if values.ndim != 2 or offsets.ndim != 1 or not len(offsets) or not np.issubdtype(offsets.dtype, np.integer):
            raise ShapeError(
                f"Ragged events have values (M, F) and whole offsets (N + 1,); they are {values.shape} and "
                f"{offsets.shape} of {offsets.dtype}."
            )
        if offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 0).any():
            raise ShapeError(f"Offsets of ragged events must rise from 0 to {len(values)}, the number of values.")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "offsets", offsets.astype(np.int64))

    @classmethod
    def of(cls, clouds: NDArray[Any], size: int) -> Ragged:
        """Of clouds (N, P, F) the points whose column `size` is not zero."""
        present = np.asarray(clouds)[..., size] != 0
        return cls(clouds[present], np.concatenate([[0], present.sum(axis=1).cumsum()]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Of all events padded by zeros."""
        return (len(self), int(np.diff(self.offsets).max(initial=0)), self.values.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return self.values.dtype

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Events of a slice padded by zeros, (B, P, F)."""
        start, stop, _ = rows.indices(len(self))
        stop = max(start, stop)
        lengths = np.diff(self.offsets[start : stop + 1])
        out = np.zeros((stop - start, *self.shape[1:]), self.dtype)
        out[np.arange(self.shape[1]) < lengths[:, None]] = self.values[self.offsets[start] : self.offsets[stop]]
        return out
