"""HDF5 columns: a layout of our own with lists per event, and flat tables as others write them.

Our layout is a group with the attribute `layout = "columns"` and one member per column: a data set (N,) with one number
per event, or a group of `offsets` (N + 1,) and `content` (M,), where event i owns content[offsets[i]:offsets[i + 1]].
Every data set carries checksums. Also read: groups of plain data sets (N,) or (N, k), the latter as lists of k, data
sets of a compound type or of lists of variable length, and data frames of pandas.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.atomic import atomic_path
from analysis.errors import ExpressionError, InputFileError, TreeNotFoundError
from analysis.expressions.chunk import column_of
from analysis.expressions.column import Column
from analysis.io.decoding import checked, decoding
from analysis.io.hdf5_columns import Member, Odd, columns_of, is_compound, lists_in
from analysis.io.hdf5_links import address, children, is_group, is_link, open_node
from analysis.io.hdf5_storage import has_checksums, refuse_fill_values
from analysis.io.pandas_hdf import frame_of, is_frame
from analysis.io.tables import choose_tree

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
    # In memory first: a full disk found out by HDF5 itself would end the process later on.
    with h5py.File("columns", "w", driver="core", backing_store=False) as file:
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
        file.flush()
        image = file.id.get_file_image()
    with atomic_path(path) as temporary:
        temporary.write_bytes(image)


def _write(group: Any, name: str, values: NDArray[Any]) -> None:
    if len(values) == 0:
        group.create_dataset(name, data=values)
        return
    chunks = (min(len(values), _CHUNK),)
    group.create_dataset(
        name, data=values, chunks=chunks, compression="gzip", compression_opts=1, shuffle=True, fletcher32=True
    )


class Hdf5Table:
    """The columns below a group, or of a data set of a compound type, or of a data frame of pandas, in an HDF5 file.

    Columns of groups inside of the group are called by their path. Only those that are asked for need one length.
    """

    uuid = ""

    def __init__(self, path: str, tree: str | None) -> None:
        import h5py

        self.path = path
        with decoding(path):
            # Shared file systems often have no locks, and reading needs none.
            self._file = h5py.File(path, "r", locking="best-effort")
            self.tree, node = _chosen(self._file, path, tree)
            found = list(_columns(node, path))
            self._members: dict[str, Member] = dict(found)
            self.names: Sequence[str] = tuple(name for name, _ in found)
            # That of most columns, until it is known which are read.
            lengths = Counter(m.length for m in self._members.values() if m.length)
            self.entries = lengths.most_common(1)[0][0] if lengths else 0
            problems = [member.problem for member in self._members.values() if isinstance(member, Odd)]
            damaged = [problem for problem in problems if isinstance(problem, Exception)]
            if self.entries == 0 and damaged:
                # A table whose columns can not be read is not one without events.
                raise damaged[0]
        self._looked_at: set[str] = set()
        self._without_checksum: set[str] = set()

    @property
    def verified(self) -> bool:
        """Whether every value that was read is under a checksum of the file, which HDF5 compares."""
        return bool(self._looked_at) and not self._without_checksum

    def boundaries(self, names: Collection[str]) -> NDArray[np.int64]:
        """Borders of the chunks of the first plain column."""
        self._choose(names)
        chunks = (self._members[n].chunk for n in names)
        step = next((chunk for chunk in chunks if chunk), max(self.entries, 1))
        return np.append(np.arange(0, max(self.entries, 1), step), self.entries).astype(np.int64)

    def bytes_per_entry(self, names: Collection[str]) -> float:
        """Unpacked size of the data sets."""
        self._choose(names)
        members = [self._members[n] for n in names]
        packed = {m.stored[0].name: m.packed for m in members}
        return (sum(m.nbytes for m in members) + sum(packed.values())) / max(self.entries, 1)

    def read(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        """The named columns for entries start to stop."""
        self._choose(names)
        columns = {}
        for name in names:
            with decoding(self.path, name, (start, stop)):
                columns[name] = checked(self._members[name].read(start, stop))
                if len(columns[name]) != stop - start:
                    raise ValueError(f"it has {len(columns[name])} entries for {stop - start}")
        return columns

    def _choose(self, names: Collection[str]) -> None:
        """Refuse columns that are no numbers or not stored; all others have one length, which is that of the table."""
        members = {name: self._members[name] for name in names}
        for name, member in members.items():
            if name in self._looked_at:
                continue
            with decoding(self.path, name):
                if isinstance(member, Odd):
                    raise member.error(name)
                for dataset in member.stored:
                    refuse_fill_values(dataset, self.path)
                if not all(map(has_checksums, member.stored)):
                    self._without_checksum.add(name)
                self._looked_at.add(name)
        lengths = {name: member.length for name, member in members.items()}
        if len(set(lengths.values())) > 1:
            raise InputFileError(f"'{self.path}', '{self.tree}': the columns have different lengths: {lengths}.")
        self.entries = next(iter(lengths.values()), self.entries)

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _chosen(file: Any, path: str, tree: str | None) -> tuple[str, Any]:
    """Name and object of the table that is meant.

    Without a name it is the whole file if columns are at its top, or the only object that has some.
    """
    import h5py

    if tree is not None:
        # One name of a place, however it is written: positions are numbered by it.
        tree = "/".join(part for part in tree.split("/") if part not in ("", ".")) or "/"
        try:
            node = open_node(file, tree)
        except KeyError:
            node = None
        if isinstance(node, h5py.Dataset) and node.dtype.names is None:
            raise TreeNotFoundError(f"'{path}': '{tree}' is a single data set; name the group that it is in.")
        if node is not None and any(True for _ in _columns(node, path)):
            return tree, node
    available = list(_tables(file))
    if tree is None and "/" in available:
        return "/", file["/"]
    chosen = choose_tree(path, tree, available)
    return chosen, open_node(file, chosen)


def _tables(file: Any) -> Iterator[str]:
    """Groups, data sets and data frames that hold columns themselves, by their path in the file."""
    if any(not isinstance(m, Odd) for name, m in _own_columns(file["/"])):
        yield "/"
    seen = {address(file["/"])}
    waiting = [("", file["/"])]
    while waiting:
        above, group = waiting.pop()
        for name, node in children(group):
            full = f"{above}{name}"
            if isinstance(node, Exception) or is_link(group, name) or lists_in(node):
                continue
            if is_frame(node) or is_compound(node):
                yield full
            elif is_group(node) and address(node) not in seen:
                seen.add(address(node))
                waiting.append((f"{full}/", node))
                if any(not isinstance(m, Odd) for _, m in _own_columns(node)):
                    yield full


def _own_columns(group: Any) -> Iterator[tuple[str, Member]]:
    """Columns that are directly in a group."""
    import h5py

    for name, node in children(group):
        if isinstance(node, Exception):
            yield name, Odd(node)
        elif (lists := lists_in(node)) is not None:
            yield name, lists
        elif isinstance(node, h5py.Dataset) and not is_compound(node):
            yield from columns_of(name, node)


def _columns(node: Any, path: str) -> Iterator[tuple[str, Member]]:
    """All columns of a table, those of groups below by their path."""
    if is_compound(node):
        yield from columns_of("", node)
        return
    if not is_group(node):
        return
    seen = {address(node)}
    waiting = [("", node)]
    while waiting:
        above, group = waiting.pop()
        if is_frame(group):
            yield from ((above + name, member) for name, member in frame_of(group, path).members())
            continue
        yield from ((above + name, member) for name, member in _own_columns(group))
        for name, below in children(group):
            if isinstance(below, Exception) or lists_in(below):
                continue
            if is_compound(below):
                yield from ((f"{above}{name}/{field}", member) for field, member in columns_of("", below))
            elif is_group(below) and address(below) not in seen:
                seen.add(address(below))
                waiting.append((f"{above}{name}/", below))
