"""A data frame of pandas as HDF5 keeps it: blocks of columns of one type, and an index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import BranchNotFoundError, nearest
from analysis.expressions.column import Column
from analysis.io.decoding import decoding
from analysis.io.hdf5_columns import Member, Odd, native, taken
from analysis.io.hdf5_storage import refuse_fill_values


@dataclass(frozen=True)
class Block:
    """Columns of one type that are stored together.

    dataset : (rows,) or (rows, columns), or records of which `field` is such an array.
    problem : why these are no numbers; "" if they are.
    """

    dataset: Any
    field: str
    columns: tuple[str, ...]
    boolean: bool = False
    problem: str = ""

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """(rows, columns) of a range."""
        values = native(taken(self.dataset, (self.field,) if self.field else (), start, stop))
        values = values.reshape(stop - start, len(self.columns))
        return values != 0 if self.boolean else values


@dataclass(frozen=True)
class Frame:
    """A stored data frame: path of the file, number of rows, blocks of columns, columns of the index, and its name."""

    path: str
    rows: int
    blocks: tuple[Block, ...]
    index: tuple[tuple[str, Member], ...] = ()
    name: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns; numbers as text, and the levels of a name of several joined by underscores."""
        return tuple(c for block in self.blocks for c in block.columns)

    def members(self) -> Iterator[tuple[str, Member]]:
        """All columns one by one."""
        for block in self.blocks:
            kept = _Kept(block)
            for place, name in enumerate(block.columns):
                if block.problem:
                    yield name, Odd(block.problem, self.rows)
                else:
                    yield name, _OfBlock(kept, place, self.rows)
        yield from ((name, member) for name, member in self.index if name not in self.columns)

    def read(self, columns: Sequence[str], start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows [start, stop) of some columns, (rows, columns).

        Raises
        ------
        BranchNotFoundError
            If a column does not exist.
        NtupleReadError
            If the bytes can not be decoded.
        """
        known = set(self.columns)
        missing = [c for c in columns if c not in known]
        if missing:
            raise BranchNotFoundError(
                f"{self.path}: no column {', '.join(map(repr, missing))}. {nearest(missing[0], self.columns)}"
            )
        stop = self.rows if stop is None else min(stop, self.rows)
        out = np.empty((max(stop - start, 0), len(columns)))
        for block in self.blocks:
            places = {c: place for place, c in enumerate(block.columns)}
            wanted = [(i, places[c]) for i, c in enumerate(columns) if c in places]
            if not wanted:
                continue
            to, of = (list(index) for index in zip(*wanted, strict=True))
            with decoding(self.path, block.dataset.name, (start, stop)):
                if block.problem:
                    raise Odd(block.problem).error(columns[to[0]])
                refuse_fill_values(block.dataset, self.path)
                out[:, to] = block.rows(start, start + len(out))[:, of]
        return out

    def close(self) -> None:
        """Release the file."""
        if self.blocks:
            self.blocks[0].dataset.file.close()


class _Kept:
    """The rows of a block that were read last, for its other columns."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self._range: tuple[int, int] | None = None
        self._rows: NDArray[Any] = np.empty((0, 0))

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """(rows, columns) of a range."""
        if self._range != (start, stop):
            self._rows = self.block.rows(start, stop)
            self._range = (start, stop)
        return self._rows


class _OfBlock:
    """One column of a block."""

    def __init__(self, kept: _Kept, place: int, rows: int) -> None:
        self._kept, self._place = kept, place
        dataset = kept.block.dataset
        self.length = rows
        self.chunk = None if dataset.chunks is None else int(dataset.chunks[0])
        self.stored = (dataset,)
        self.packed = float(dataset.nbytes) if rows else 0.0
        self.nbytes = self.packed / len(kept.block.columns)

    def read(self, start: int, stop: int) -> Column:
        """Rows start to stop."""
        return Column(np.ascontiguousarray(self._kept.rows(start, stop)[:, self._place]))


class Level:
    """One level of an index of several: labels (rows,) of its values."""

    packed = 0.0

    def __init__(self, labels: Any, values: Any) -> None:
        self._labels, self._values = labels, values
        self.length = int(labels.shape[0])
        self.chunk = None if labels.chunks is None else int(labels.chunks[0])
        self.stored = (labels, values)
        self.nbytes = 16.0 * self.length

    def read(self, start: int, stop: int) -> Column:
        """Rows start to stop."""
        labels = np.asarray(self._labels[start:stop], dtype=np.int64)
        values = native(np.asarray(self._values))
        if len(labels) and (labels.min() < -1 or labels.max() >= len(values)):
            raise ValueError("labels of the index point outside of its values")
        missing = labels == -1
        taken_values = values[np.where(missing, 0, labels)] if len(values) else np.zeros(len(labels))
        return Column(taken_values, missing if missing.any() else None)
