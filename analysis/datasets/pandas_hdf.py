"""Reads the numbers of a pandas data frame in HDF5, of the fixed or the table format, without unpickling anything.

Pandas is not needed. Files that were compressed with Blosc, a filter that HDF5 itself lacks, are read by PyTables.
"""

from __future__ import annotations

import os
import pickletools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.errors import BranchNotFoundError, InputFileError, NtupleReadError, nearest

_STRINGS = ("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "STRING", "SHORT_BINSTRING", "BINSTRING")
_INTEGERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1")


@dataclass(frozen=True)
class Block:
    """Columns of one type that are stored together: dataset, field of its records or "", and names of the columns."""

    dataset: str
    field: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Frame:
    """Layout of a stored data frame: path of the file, number of rows, blocks of columns."""

    path: str
    rows: int
    blocks: tuple[Block, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns; numbers as text."""
        return tuple(c for block in self.blocks for c in block.columns)

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
            if wanted:
                rows = _rows(self.path, block.dataset, start, stop)
                values = (rows[block.field] if block.field else rows).reshape(len(out), -1)
                to, of = (list(index) for index in zip(*wanted, strict=True))
                out[:, to] = values[:, of]
        return out


def open_frame(path: str | os.PathLike[str], key: str | None = None) -> Frame:
    """Find the data frame in a file; `key` is its name, needed only if there are several.

    Raises
    ------
    InputFileError
        If the file is missing, is not HDF5, or holds no data frame or several.
    """
    path = os.fspath(path)
    with _opened(path) as file:
        keys = sorted(
            name for name, node in file.items() if isinstance(node, h5py.Group) and "pandas_type" in node.attrs
        )
        if key is None and len(keys) != 1:
            raise InputFileError(
                f"{path} holds {len(keys)} pandas data frames ({', '.join(keys)}); name the one to read."
            )
        key = key or keys[0]
        if key not in keys:
            raise InputFileError(f"{path}: no pandas data frame '{key}'. {nearest(key, keys)}")
        group = file[key]
        blocks = _table_blocks(group) if "table" in group else _fixed_blocks(path, group)
        if not blocks:
            raise InputFileError(f"{path}: the data frame '{key}' is empty.")
        return Frame(path, len(file[blocks[0].dataset]), tuple(blocks))


def _fixed_blocks(path: str, group: Any) -> list[Block]:
    names = [f"{group.name}/block{i}" for i in range(int(group.attrs["nblocks"]))]
    return [Block(f"{name}_values", "", tuple(map(_text, _rows(path, f"{name}_items")))) for name in names]


def _table_blocks(group: Any) -> list[Block]:
    table = group["table"]
    fields = [name for name in table.dtype.names if name != "index"]
    return [Block(table.name, name, _names(table.attrs[f"{name}_kind"])) for name in fields]


def _names(pickled: bytes) -> tuple[str, ...]:
    """Column names out of a pickled list: its opcodes are read, and nothing is executed."""
    operations = list(pickletools.genops(bytes(pickled)))
    kinds = _STRINGS if any(code.name in _STRINGS for code, _, _ in operations) else _INTEGERS
    return tuple(_text(argument) for code, argument, _ in operations if code.name in kinds)


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _rows(path: str, dataset: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
    """Rows of a dataset by h5py, or by PyTables if only that knows the compression."""
    with _opened(path) as file:
        if _filters_available(file[dataset]):
            try:
                return np.asarray(file[dataset][start:stop])
            except OSError as error:
                raise _damaged(path, dataset, error) from error
    try:
        tables = import_module("tables")
    except ImportError as error:
        raise InputFileError(
            f"{path} is compressed with a filter that HDF5 lacks; install PyTables to read it: pip install tables"
        ) from error
    with tables.open_file(path) as file:
        try:
            return np.asarray(file.get_node(dataset)[start:stop])
        except tables.HDF5ExtError as error:
            raise _damaged(path, dataset, error) from error


def _damaged(path: str, dataset: str, error: Exception) -> NtupleReadError:
    return NtupleReadError(f"{path}: '{dataset}' can not be decoded; the file is damaged, fetch it again. ({error})")


def _filters_available(dataset: Any) -> bool:
    properties = dataset.id.get_create_plist()
    codes = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    return all(h5py.h5z.filter_avail(code) for code in codes)


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    if not os.path.isfile(path):
        raise InputFileError(f"{path} does not exist.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputFileError(f"{path} is not an HDF5 file, or it is truncated: {error}") from error
    with file:
        yield file
