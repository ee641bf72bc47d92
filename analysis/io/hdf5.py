"""HDF5 columns: a layout of our own with lists per event, and flat tables as others write them.

Our layout is a group with the attribute `layout = "columns"` and one member per column: a data set (N,) with one number
per event, or a group of `offsets` (N + 1,) and `content` (M,), where event i owns content[offsets[i]:offsets[i + 1]].
Every data set carries checksums. Also read: groups of plain data sets (N,) or (N, k), the latter as lists of k, and
data sets of a compound type.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.atomic import atomic_path
from analysis.errors import ExpressionError, InputFileError
from analysis.expressions.chunk import column_of
from analysis.expressions.column import Column
from analysis.io.tables import checked, choose_tree, decoding

_LAYOUT = "columns"
_VERSION = 1
_CHUNK = 65_536


def write_columns(path: str | os.PathLike[str], columns: Mapping[str, Any], *, tree: str = "Events") -> None:
    """Write numpy or awkward arrays, one number or one list of numbers per event, atomically.

    Raises
    ------
    ExpressionError
        If lengths differ, values are missing, or an array holds something else.
    """
    import h5py

    ready = {name: column_of(array, name) for name, array in columns.items()}
    lengths = {name: len(column) for name, column in ready.items()}
    if len(set(lengths.values())) > 1:
        raise ExpressionError(f"Columns of one table have one length, not {lengths}.")
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        group = file.create_group(tree)
        group.attrs["layout"] = _LAYOUT
        group.attrs["version"] = _VERSION
        for name, column in ready.items():
            if column.missing is not None:
                raise ExpressionError(f"Column '{name}' has missing values; fill them before writing.")
            if column.offsets is None:
                _write(group, name, column.values)
            else:
                member = group.create_group(name)
                _write(member, "offsets", column.offsets)
                _write(member, "content", column.values)


def _write(group: Any, name: str, values: NDArray[Any]) -> None:
    if len(values) == 0:
        group.create_dataset(name, data=values)
        return
    chunks = (min(len(values), _CHUNK),)
    group.create_dataset(
        name, data=values, chunks=chunks, compression="gzip", compression_opts=1, shuffle=True, fletcher32=True
    )


class Hdf5Table:
    """A group of columns, or a data set of a compound type, in an HDF5 file."""

    uuid = ""
    verified = False

    def __init__(self, path: str, tree: str | None) -> None:
        import h5py

        self.path = path
        with decoding(path):
            # Shared file systems often have no locks, and reading needs none.
            self._file = h5py.File(path, "r", locking="best-effort")
            self.tree = choose_tree(path, tree, _tables(self._file, path))
            node = self._file[self.tree]
            self._columns: dict[str, Any] = dict(_members(node))
            lengths = {name: _length(member) for name, member in self._columns.items()}
            self.names: Sequence[str] = tuple(self._columns)
        if len(set(lengths.values())) > 1:
            raise InputFileError(f"'{path}', '{self.tree}': the columns have different lengths: {lengths}.")
        self.entries = next(iter(lengths.values()))

    def boundaries(self, names: Collection[str]) -> NDArray[np.int64]:
        """Borders of the chunks of the first plain column."""
        plain = (self._columns[n] for n in names if not _is_list(self._columns[n]))
        step = next((int(m.chunks[0]) for m in plain if getattr(m, "chunks", None)), max(self.entries, 1))
        return np.append(np.arange(0, max(self.entries, 1), step), self.entries).astype(np.int64)

    def bytes_per_entry(self, names: Collection[str]) -> float:
        """Unpacked size of the data sets."""
        return sum((_size(self._columns[n]) for n in names), 0.0) / max(self.entries, 1)

    def read(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        """The named columns for entries start to stop."""
        columns = {}
        for name in names:
            with decoding(self.path, name, (start, stop)):
                columns[name] = checked(_read(self._columns[name], start, stop))
        return columns

    def close(self) -> None:
        """Release the file."""
        self._file.close()


class _Field:
    """One field of a data set of a compound type, looking like a data set."""

    def __init__(self, dataset: Any, name: str) -> None:
        self._dataset, self._name = dataset, name
        self.shape, self.chunks, self.dtype = dataset.shape, dataset.chunks, dataset.dtype[name]

    def __getitem__(self, part: slice) -> Any:
        return self._dataset.fields(self._name)[part]


def _tables(file: Any, path: str) -> list[str]:
    """Groups and data sets that hold columns, by their path in the file."""
    found: list[str] = []

    def visit(name: str, node: Any) -> None:
        if "pandas_type" in getattr(node, "attrs", {}):
            raise InputFileError(
                f"'{path}' is a table of pandas; read it with pandas, or as a public data set with `analysis.datasets`."
            )
        if not _is_list(node) and _members(node):
            found.append(name)

    visit("/", file)
    file.visititems(visit)
    return found


def _members(node: Any) -> dict[str, Any]:
    """Columns of a group or of a compound data set."""
    import h5py

    if isinstance(node, h5py.Dataset):
        if node.dtype.names is None or node.ndim != 1:
            return {}
        return {n: _Field(node, n) for n in node.dtype.names if node.dtype[n].kind in "biuf"}
    return {name: member for name, member in node.items() if _is_list(member) or _is_plain(member)}


def _is_plain(node: Any) -> bool:
    import h5py

    return isinstance(node, h5py.Dataset) and node.ndim in (1, 2) and node.dtype.kind in "biuf"


def _is_list(node: Any) -> bool:
    import h5py

    return isinstance(node, h5py.Group) and set(node) == {"offsets", "content"}


def _length(member: Any) -> int:
    return len(member["offsets"]) - 1 if _is_list(member) else int(member.shape[0])


def _size(member: Any) -> float:
    if _is_list(member):
        return float(member["offsets"].nbytes + member["content"].nbytes)
    return float(np.prod(member.shape) * member.dtype.itemsize)


def _read(member: Any, start: int, stop: int) -> Column:
    if not _is_list(member):
        return column_of(np.asarray(member[start:stop]))
    ends = np.asarray(member["offsets"][start : stop + 1], dtype=np.int64)
    if ends[0] < 0 or ends[-1] > len(member["content"]):
        raise ValueError("the offsets point outside of the content")
    return Column(np.asarray(member["content"][ends[0] : ends[-1]]), offsets=ends - ends[0])
