"""Reads the numbers of a pandas data frame in HDF5, of the fixed or the table format, without unpickling anything.

Neither pandas nor PyTables is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import BranchNotFoundError, InputFileError, nearest
from analysis.expressions.column import Column
from analysis.io.decoding import decoding
from analysis.io.hdf5_columns import Member, Odd, columns_of, native, taken
from analysis.io.hdf5_links import children, open_node
from analysis.io.hdf5_storage import refuse_fill_values
from analysis.io.pickled_lists import pickled_list

_PANDAS = "pandas_type"
# How None is pickled.
_NO_NAME = "N."
_FRAMES = ("frame", "frame_table", "series", "series_table")


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
    """A stored data frame: path of the file, number of rows, blocks of columns, and columns of the index."""

    path: str
    rows: int
    blocks: tuple[Block, ...]
    index: tuple[tuple[str, Member], ...] = ()

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


class _Level:
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


def open_frame(path: str | os.PathLike[str], key: str | None = None) -> Frame:
    """Find the data frame in a file; `key` is its name, needed only if there are several.

    Raises
    ------
    InputFileError
        If the file is missing, is not HDF5, or holds no data frame or several.
    NtupleReadError
        If its structure can not be read.
    """
    import h5py

    path = os.fspath(path)
    if not os.path.isfile(path):
        raise InputFileError(f"{path} does not exist.")
    try:
        file = h5py.File(path, "r", locking="best-effort")
    except OSError as error:
        raise InputFileError(f"{path} is not an HDF5 file, or it is truncated: {error}") from error
    with decoding(path):
        keys = sorted(name for name, node in children(file) if is_frame(node))
        if key is None and len(keys) != 1:
            raise InputFileError(
                f"{path} holds {len(keys)} pandas data frames ({', '.join(keys)}); name the one to read."
            )
        key = key or keys[0]
        if key not in keys:
            raise InputFileError(f"{path}: no pandas data frame '{key}'. {nearest(key, keys)}")
        frame = frame_of(open_node(file, key), path)
        if not frame.blocks:
            raise InputFileError(f"{path}: the data frame '{key}' is empty.")
        return frame


def is_frame(node: Any) -> bool:
    """Whether an object of an HDF5 file is a data frame or a series of pandas."""
    import h5py

    return isinstance(node, h5py.Group) and _PANDAS in node.attrs


def frame_of(group: Any, path: str) -> Frame:
    """The data frame in a group.

    Raises
    ------
    InputFileError
        If pandas wrote something else there, such as a panel or a sparse frame.
    """
    kind = _text(group.attrs[_PANDAS])
    if kind not in _FRAMES:
        raise InputFileError(f"'{path}', '{group.name}' is of the pandas type '{kind}'; data frames are read.")
    index: tuple[tuple[str, Member], ...] = ()
    if kind.endswith("_table"):
        table = open_node(group, "table")
        blocks = list(_table_blocks(table))
        # Its index has no block, and a name of its own only inside of a pickle.
        index = tuple((name, member) for name, member in columns_of("", table) if name == "index")
    elif kind == "series":
        blocks = [_fixed_block(open_node(group, "values"), (_text(group.attrs.get("name", "")) or "values",))]
    else:
        blocks = list(_fixed_blocks(group))
        index = tuple(_fixed_index(group))
    lengths = {0 if "shape" in b.dataset.attrs else len(b.dataset) for b in blocks if not b.problem}
    if len(lengths) > 1:
        raise InputFileError(f"'{path}', '{group.name}': the columns have different lengths: {sorted(lengths)}.")
    rows = lengths.pop() if lengths else 0
    return Frame(path, rows, tuple(blocks), index if rows else ())


def _fixed_blocks(group: Any) -> Iterator[Block]:
    for i in range(int(group.attrs["nblocks"])):
        names = _index(group, f"block{i}_items")
        yield _fixed_block(open_node(group, f"block{i}_values"), names)


def _fixed_block(dataset: Any, names: tuple[str, ...]) -> Block:
    import h5py

    kind = _text(dataset.attrs.get("value_type", ""))
    problem = ""
    if "shape" not in dataset.attrs:
        if dataset.dtype.kind not in "biuf":
            problem = "text or Python objects"
        elif kind.startswith(("datetime", "timedelta")):
            problem = f"times ({kind})"
    boolean = dataset.id.get_type().get_class() == h5py.h5t.BITFIELD
    return Block(dataset, "", names, boolean, problem)


def _index(group: Any, name: str) -> tuple[str, ...]:
    """Names of columns: a data set, or labels into the data sets of several levels."""
    if _text(group.attrs.get(f"{name}_variety", "")) != "multi":
        return tuple(map(_text, _array(group, name)))
    levels = []
    for level in range(int(group.attrs[f"{name}_nlevels"])):
        values = _array(group, f"{name}_level{level}")
        levels.append([_text(values[label]) for label in _array(group, f"{name}_label{level}")])
    return tuple("_".join(parts) for parts in zip(*levels, strict=True))


def _array(group: Any, name: str) -> NDArray[Any]:
    """A data set as a whole."""
    dataset = open_node(group, name)
    refuse_fill_values(dataset, group.file.filename)
    return np.asarray(dataset)


def _fixed_index(group: Any) -> Iterator[tuple[str, Member]]:
    """Columns of the index of the rows, by their names if they have any."""
    if _text(group.attrs.get("axis1_variety", "")) != "multi":
        rows = open_node(group, "axis1")
        called = _text(rows.attrs.get("name", _NO_NAME))
        yield from columns_of("index" if called == _NO_NAME else called, rows)
        return
    for level in range(int(group.attrs["axis1_nlevels"])):
        values = open_node(group, f"axis1_level{level}")
        called = _text(values.attrs.get("name", _NO_NAME))
        name = f"level_{level}" if called == _NO_NAME else called
        if values.dtype.kind in "biuf":
            yield name, _Level(open_node(group, f"axis1_label{level}"), values)


def _table_blocks(table: Any) -> Iterator[Block]:
    for field in table.dtype.names:
        dtype = table.dtype[field].base
        if f"{field}_dtype" not in table.attrs:
            continue
        names = tuple(map(_name, pickled_list(bytes(table.attrs[f"{field}_kind"]))))
        kind = _text(table.attrs[f"{field}_dtype"])
        problem = ""
        if _text(table.attrs.get(f"{field}_meta", "")) == "category":
            problem = "categories, whose codes are no values"
        elif dtype.kind not in "biuf":
            problem = "text"
        elif kind.startswith(("datetime", "timedelta")):
            problem = f"times ({kind})"
        yield Block(table, field, names, kind == "bool", problem)


def _name(label: Any) -> str:
    return "_".join(map(_text, label)) if isinstance(label, tuple) else _text(label)


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
