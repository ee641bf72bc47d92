"""Events in arrays, memory maps, HDF5 data sets and parquet files, of which only some rows are held at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.errors import ShapeError

#: Bytes of a temporary array of rows in double precision: many of them are alive at once.
CHUNK_BYTES = 1 << 22

#: Bytes of prepared events from a file that are kept in memory; more are read again for every batch.
KEPT_BYTES = 1 << 30

#: Numbers that the preprocessing is fitted to in any case, and the part of all of them that it is fitted to beyond.
_FITTED_NUMBERS, _FITTED_PART = 1 << 22, 1 / 32

_INDEX = NDArray[np.int64]


def rows_within(numbers: int, budget: int | None = None) -> int:
    """Rows of so many numbers that a temporary array within the budget has, a multiple of 16 if there are so many."""
    rows = max(1, (CHUNK_BYTES if budget is None else budget) // (8 * max(1, numbers)))
    return rows if rows < 16 else rows - rows % 16


def as_rows(x: Any) -> Any:
    """X as it is if it is an array or gives slices of rows from a file, else as an array."""
    return x if isinstance(getattr(x, "dtype", None), np.dtype) and len(x.shape) else np.asarray(x)


def in_memory(x: Any) -> bool:
    """Whether x is an array in the main memory, not one in a file."""
    return isinstance(x, np.ndarray) and not _mapped(x)


def chunks_of(x: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """First row and content of the parts of x (N, …), whatever it is, one after another."""
    values = as_rows(x)
    step = rows_within(int(np.prod(values.shape[1:])))
    for start in range(0, len(values), step):
        yield start, np.asarray(values[start : start + step])


@dataclass(frozen=True, eq=False)
class EventRows:
    """Rows `used` (ascending) of x (N, *event), an array or something with a shape that gives slices of its rows."""

    x: Any
    used: _INDEX

    def __len__(self) -> int:
        return len(self.used)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Of one event."""
        return tuple(int(size) for size in self.x.shape[1:])

    @property
    def numbers(self) -> int:
        """Numbers of one event."""
        return int(np.prod(self.shape))

    def array(self, places: _INDEX | slice) -> NDArray[Any]:
        """The rows at ascending places, or a slice of them, among those that are used."""
        at = self.used[places]
        if not len(at):
            return np.empty((0, *self.shape), np.float32)
        if len(at) == at[-1] - at[0] + 1:
            return np.asarray(self.x[int(at[0]) : int(at[-1]) + 1])
        if in_memory(self.x):
            return np.asarray(self.x[at])
        # Runs of neighbours, which files give at once.
        breaks = np.flatnonzero(np.diff(at) > _GAP) + 1
        runs = np.split(at, breaks)
        return np.concatenate([np.asarray(self.x[int(run[0]) : int(run[-1]) + 1])[run - run[0]] for run in runs])

    def tensor(self, places: _INDEX | slice) -> Tensor:
        """The same in double precision."""
        return torch.as_tensor(np.asarray(self.array(places), np.float64))

    def chunks(self) -> Iterator[slice]:
        """All places, so many at once as temporary arrays may have rows."""
        step = rows_within(self.numbers)
        for start in range(0, len(self), step):
            yield slice(start, min(start + step, len(self)))

    def to_fit(self, seed: int) -> _INDEX | None:
        """Places that stand for all where a preprocessing is fitted, ascending; None if there are few.

        They are drawn at random. Of every column of vectors with a single value among them, those with the smallest and
        the largest value are added.
        """
        count = max(_FITTED_NUMBERS, int(_FITTED_PART * len(self) * self.numbers)) // self.numbers
        if len(self) <= count:
            return None
        random = np.random.default_rng(seed)
        some = np.sort(random.choice(len(self), count, replace=False))
        if len(self.shape) != 1:
            return some
        rows = self.array(some)
        flat = np.flatnonzero(rows.min(axis=0) == rows.max(axis=0))
        return some if not len(flat) else np.unique(np.concatenate([some, self._extremes(flat)]))

    def _extremes(self, columns: _INDEX) -> _INDEX:
        """Places of the smallest and of the largest value of each of the columns."""
        value = np.stack([np.full(len(columns), np.inf), np.full(len(columns), -np.inf)])
        place = np.zeros((2, len(columns)), np.int64)
        for part in self.chunks():
            rows = self.array(part)[:, columns]
            for row, (best, beats) in enumerate(((rows.argmin(axis=0), np.less), (rows.argmax(axis=0), np.greater))):
                found = rows[best, np.arange(len(columns))]
                better = beats(found, value[row])
                value[row, better], place[row, better] = found[better], part.start + best[better]
        return place.ravel()


@dataclass(frozen=True, eq=False)
class SomeRows:
    """Rows and columns of vectors in a file, of which slices are read when they are asked for.

    As of an array, `[:, places]` are some of the columns, which reads nothing, and a slice is rows (B, D).
    """

    rows: EventRows
    columns: tuple[int, ...]

    @classmethod
    def of(cls, x: Any, used: _INDEX) -> SomeRows:
        """Rows `used` (ascending) of x (N, D), with all columns."""
        return cls(EventRows(x, used), tuple(range(x.shape[1])))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (len(self.rows), len(self.columns))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the file."""
        dtype: np.dtype[Any] = self.rows.x.dtype
        return dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: slice | tuple[slice, list[int]]) -> Any:
        """Rows of a slice, or all rows with some of the columns."""
        if isinstance(key, slice):
            start, stop, _ = key.indices(len(self))
            return self.rows.array(slice(start, max(start, stop)))[:, list(self.columns)]
        _, places = key
        return SomeRows(self.rows, tuple(self.columns[place] for place in places))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All of them in memory, as may be asked for if they are few columns."""
        whole = np.empty(self.shape, self.dtype if dtype is None else dtype)
        for part in self.rows.chunks():
            whole[part] = self[part]
        return whole


#: Rows between two that are wanted which are read along rather than skipped.
_GAP = 8


class NumpyRows:
    """The array of a file .npy, read row by row; nothing of it stays in memory, as parts of a memory map do."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if not mapped.ndim or not mapped.flags.c_contiguous:
            raise ShapeError(
                f"'{os.fspath(path)}' holds {mapped.shape}, no rows one after another. Save it in C order."
            )
        self.path, self.shape, self.dtype, self._start = Path(path), mapped.shape, mapped.dtype, mapped.offset

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Rows of a slice."""
        start, stop, _ = rows.indices(len(self))
        numbers = int(np.prod(self.shape[1:]))
        with open(self.path, "rb") as file:
            file.seek(self._start + start * numbers * self.dtype.itemsize)
            read = np.fromfile(file, self.dtype, max(0, stop - start) * numbers)
        return read.reshape(-1, *self.shape[1:])


class ParquetRows:
    """Columns of a parquet file as events (N, D) in single precision, read by row groups."""

    dtype = np.dtype(np.float32)

    def __init__(self, path: str | os.PathLike[str], columns: list[str]) -> None:
        from pyarrow import parquet

        self._file, self.columns = parquet.ParquetFile(path), list(columns)
        unknown = [name for name in self.columns if name not in self._file.schema_arrow.names]
        if unknown or not self.columns:
            raise ShapeError(f"'{os.fspath(path)}' has no column '{''.join(unknown[:1])}'.")
        groups = [self._file.metadata.row_group(i).num_rows for i in range(self._file.metadata.num_row_groups)]
        self._ends = np.cumsum(groups, dtype=np.int64)
        self.shape = (int(self._ends[-1]) if groups else 0, len(self.columns))
        self._held: tuple[int, NDArray[np.float32]] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Rows of a slice."""
        start, stop, _ = rows.indices(len(self))
        if stop <= start:
            return np.empty((0, self.shape[1]), np.float32)
        first, last = np.searchsorted(self._ends, [start, stop - 1], side="right").tolist()
        parts = [self._group(group) for group in range(first, last + 1)]
        begin = 0 if first == 0 else int(self._ends[first - 1])
        return np.concatenate(parts)[start - begin : stop - begin]

    def _group(self, number: int) -> NDArray[np.float32]:
        if self._held is None or self._held[0] != number:
            table = self._file.read_row_group(number, columns=self.columns)
            columns = [np.asarray(table[name].to_numpy(), np.float32) for name in self.columns]
            self._held = (number, np.stack(columns, axis=1))
        return self._held[1]


def empty_rows(rows: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An array (N, *event) in single precision whose content is of no account."""
    return np.empty((rows, *shape), np.float32)


def refuse_shape(out: Any, shape: tuple[int, ...]) -> Any:
    """What events of this shape are to be written to, if they fit."""
    if tuple(getattr(out, "shape", ())) != shape:
        raise ShapeError(f"out has the shape {getattr(out, 'shape', None)}; the events to be written have {shape}.")
    return out


def put_rows(out: Any, index: Tensor, values: Tensor) -> None:
    """Write values (B, *event) to the rows at the index, by ascending rows if out is no array."""
    if isinstance(out, np.ndarray):
        out[index.numpy()] = values.numpy()
    else:
        ascending, order = torch.sort(index)
        out[ascending.numpy()] = values[order].numpy()


def _mapped(x: NDArray[Any]) -> bool:
    """Whether an array lies in a file that is mapped into the memory."""
    base: Any = x
    while base is not None:
        if isinstance(base, np.memmap):
            return True
        base = getattr(base, "base", None)
    return False
