"""Finds data frames of pandas in HDF5, of the fixed or the table format, without unpickling anything.

Neither pandas nor PyTables is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import InputFileError, nearest
from analysis.io.decoding import decoding
from analysis.io.hdf5_columns import Member, columns_of
from analysis.io.hdf5_links import children, open_node
from analysis.io.hdf5_storage import refuse_fill_values
from analysis.io.pandas_frames import Block, Frame, Level
from analysis.io.pickled_lists import pickled_list

_PANDAS = "pandas_type"
# How None is pickled.
_NO_NAME = "N."
_FRAMES = ("frame", "frame_table", "series", "series_table")


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
        key = (key or keys[0]).strip("/")
        if key not in keys:
            raise InputFileError(f"{path}: no pandas data frame '{key}'. {nearest(key, keys)}")
        frame = frame_of(open_node(file, key), path)
        if not frame.blocks:
            raise InputFileError(f"{path}: the data frame '{key}' is empty.")
        return replace(frame, name=key)


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
            yield name, Level(open_node(group, f"axis1_label{level}"), values)


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
