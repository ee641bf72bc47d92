"""ROOT files by uproot: TTree and RNTuple.

User expressions never reach uproot, whose `cut=` is silently ignored on an RNTuple; it is asked for plain columns only.
Decompression runs in the calling thread.
"""

from __future__ import annotations

import os
import struct
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError, ExpressionError, InputFileError, NtupleReadError
from analysis.expressions.chunk import column_of
from analysis.expressions.column import Column
from analysis.io.branches import kind_of_branch, kind_of_field, leaves_of, without_containers
from analysis.io.decoding import checked, decoding
from analysis.io.http import is_http, retried
from analysis.io.pages import PageChecksums
from analysis.io.paths import is_remote
from analysis.io.remote import RemoteFile
from analysis.io.root_trees import content_of, find_tree
from analysis.io.tables import Table

_T = TypeVar("_T")


def open_root(path: str, tree: str | None, *, cache_bytes: int) -> Table:
    """Open the named tree of a file, or the only one, or the one with a usual name."""
    file = open_file(path)
    with decoding(path):
        name, key = find_tree(path, file, tree)
        content = content_of(file, key)
        if key.is_rntuple:
            return RNTupleTable(path, name, file, content, cache_bytes)
        return TTreeTable(path, name, file, content)


def open_file(path: str) -> Any:
    """The file as an uproot directory, without caches.

    Raises
    ------
    InputFileError
        If it is remote and can not be reached, or its protocol needs a package that is not installed.
    NtupleReadError
        If it is truncated or corrupted.
    """
    import uproot

    _refuse_short(path)
    with decoding(path):
        try:
            options = {"object_cache": None, "array_cache": None, **_source(path)}
            if is_http(path):
                return uproot.open({_remote(path): None}, **options)
            # A mapping, because a plain path is split at its colons.
            return _with_retries(path, lambda: uproot.open({path: None}, **options))
        except ImportError as error:
            raise InputFileError(
                f"'{path}' needs a package that is not installed; for root:// URLs: pip install 'cathode-hep[xrootd]'. "
                f"({' '.join(str(error).split())[:160]})"
            ) from error


def _remote(path: str) -> RemoteFile:
    """The file of a web address, if what the server sends is one."""
    file = RemoteFile(path)
    magic = file.read(4)
    if magic != b"root":
        file.close()
        raise InputFileError(
            f"'{path}' is not a ROOT file: what the server sends begins with {magic!r}. Is it a page that asks for a "
            "password?"
        )
    file.seek(0)
    return file


def _with_retries(path: str, action: Callable[[], _T]) -> _T:
    """A file of another machine is asked again when the way to it fails; one of the web does so by itself."""
    return retried(path, action) if is_remote(path) and not is_http(path) else action()


def _source(path: str) -> dict[str, Any]:
    """Plain reads for a local file: less overhead than fsspec, and an I/O error stays an exception, unlike in a map."""
    if is_remote(path):
        return {}
    from uproot.source.file import MultithreadedFileSource

    return {"handler": MultithreadedFileSource, "use_threads": False}


def _refuse_short(path: str) -> None:
    """A local file that is shorter than its header says is named as truncated before anything else fails in it."""
    if is_remote(path):
        return
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        header = file.read(64)
    if len(header) == 64:
        version = struct.unpack(">i", header[4:8])[0]
        end = struct.unpack(">q", header[12:20])[0] if version >= 1_000_000 else struct.unpack(">i", header[12:16])[0]
        if end <= size:
            return
        what = f"it has {size} bytes where its header says {end}"
    else:
        what = f"it has {size} bytes, less than a header"
    raise NtupleReadError(f"'{path}' is truncated: {what}. Copy it again, or remove it from the list.", file=path)


class _RootTable(ABC):
    """What TTrees and RNTuples share: names, conversion to columns, and the search for the damaged branch."""

    def __init__(self, path: str, tree: str, file: Any, content: Any) -> None:
        self.path, self.tree = path, tree
        self._file, self._content = file, content
        self.entries = int(content.num_entries)
        # Some writers leave it out.
        self.uuid = str(file.file.uuid) if file.file.uuid.int else ""

    def read(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        """The named columns for entries start to stop."""
        try:
            return _with_retries(self.path, lambda: self._columns(names, start, stop))
        except AnalysisError:
            raise
        except Exception as error:
            for name in names:
                with decoding(self.path, name, (start, stop)):
                    self._columns([name], start, stop)
            with decoding(self.path, ", ".join(names), (start, stop)):
                raise error
            raise AssertionError("unreachable") from error

    def _columns(self, names: Sequence[str], start: int, stop: int) -> dict[str, Column]:
        for name in names:
            if kind := self._kind_of(name):
                raise ExpressionError(
                    f"'{self.path}': '{name}' holds {kind}; expressions work on one number, or one list of numbers, "
                    "per event."
                )
        arrays = self._arrays(names, start, stop)
        columns = {name: checked(column_of(arrays[name], name)) for name in names}
        for name, column in columns.items():
            if len(column) != stop - start:
                raise ValueError(f"'{name}' gives {len(column)} entries for {stop - start}")
        return columns

    @abstractmethod
    def _kind_of(self, name: str) -> str:
        """What a column holds, in words, if that is no number and no list of numbers."""

    @abstractmethod
    def _arrays(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
        """What uproot has of these names, by name."""

    def close(self) -> None:
        """Release the file."""
        self._file.close()


class TTreeTable(_RootTable):
    """A TTree, whose baskets have no checksums."""

    verified = False

    def __init__(self, path: str, tree: str, file: Any, content: Any) -> None:
        super().__init__(path, tree, file, content)
        branches = list(content.iteritems(recursive=True, full_paths=True))
        self._branches: dict[str, Any] = {name: branch for name, branch in branches if not branch.branches}
        self._times = Counter(branch.name for _, branch in branches)
        self._columns_of = leaves_of(self._branches)
        self.names: Sequence[str] = without_containers(tuple(self._columns_of), self._kind_of)

    def boundaries(self, names: Collection[str]) -> NDArray[np.int64]:
        """Entries at which the baskets of all named branches end together, as they do at every cluster."""
        with decoding(self.path):
            branches = {self._columns_of[name][0] for name in names}
            offsets = [np.asarray(self._branches[n].entry_offsets, dtype=np.int64) for n in branches]
            common = reduce(np.intersect1d, offsets) if offsets else np.empty(0, dtype=np.int64)
            inside = common[(common > 0) & (common < self.entries)]
            return np.concatenate([[0], inside, [self.entries]]).astype(np.int64)

    def bytes_per_entry(self, names: Collection[str]) -> float:
        """Unpacked size from the baskets' own accounting."""
        branches = {self._columns_of[name][0] for name in names}
        return sum(float(self._branches[n].uncompressed_bytes) for n in branches) / max(self.entries, 1)

    def _kind_of(self, name: str) -> str:
        branch, leaf = self._columns_of[name]
        return "" if leaf else kind_of_branch(self._branches[branch])

    def _arrays(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
        places = {name: self._columns_of[name] for name in names}
        arrays = self._of_branches(list(dict.fromkeys(branch for branch, _ in places.values())), start, stop)
        return {name: arrays[branch][leaf] if leaf else arrays[branch] for name, (branch, leaf) in places.items()}

    def _of_branches(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
        # uproot takes what it is asked for by the name of the branch alone, which two parents may share.
        together = [name for name in names if self._times[self._branches[name].name] == 1]
        arrays: dict[str, Any] = {}
        if together:
            wanted = {id(self._branches[name]) for name in together}
            # One call for all branches, because on a remote file it is one request; it names them without their path.
            found = self._content.arrays(
                filter_branch=lambda branch: id(branch) in wanted,
                entry_start=start,
                entry_stop=stop,
                library="ak",
                how=dict,
            )
            arrays = {name: found[self._branches[name].name] for name in together}
        for name in names:
            if name not in arrays:
                arrays[name] = self._branches[name].array(entry_start=start, entry_stop=stop, library="ak")
        return arrays


class RNTupleTable(_RootTable):
    """An RNTuple."""

    def __init__(self, path: str, tree: str, file: Any, content: Any, cache_bytes: int) -> None:
        import uproot

        super().__init__(path, tree, file, content)
        fields = tuple(name for name, field in content.items() if not field.keys())
        self.names: Sequence[str] = without_containers(fields, self._kind_of)
        # Over the network every page would travel twice.
        self._checksums = None if is_remote(path) else PageChecksums(path, content)
        self._physical: dict[str, list[int]] = {}
        # uproot unpacks whole clusters, and the one after the range as well if the range ends on a border.
        self._cache = uproot.cache.LRUArrayCache(cache_bytes)

    def boundaries(self, names: Collection[str]) -> NDArray[np.int64]:
        """First entries of the clusters."""
        with decoding(self.path):
            starts = {int(cluster.num_first_entry) for cluster in self._content.cluster_summaries}
            return np.array(sorted({0, self.entries} | {s for s in starts if 0 < s < self.entries}), dtype=np.int64)

    def bytes_per_entry(self, names: Collection[str]) -> float:
        """Unpacked size from the number of elements in all pages."""
        with decoding(self.path):
            return sum(map(self._bytes, names)) / max(self.entries, 1)

    def _kind_of(self, name: str) -> str:
        return kind_of_field(self._content[name])

    @property
    def verified(self) -> bool:
        """Whether all pages that were read had checksums, which agreed."""
        return self._checksums is not None and self._checksums.verified

    def _bytes(self, name: str) -> float:
        columns = self._columns_of(name)
        clusters = self._content.page_link_list
        records = self._content.column_records
        bits = 0
        for cluster in clusters:
            for column in columns:
                if column < len(cluster):
                    bits += int(records[column].nbits) * sum(int(p.num_elements) for p in cluster[column].pages)
        return bits / 8

    def _columns_of(self, name: str) -> list[int]:
        if name not in self._physical:
            self._physical[name] = []
            self._find_columns(self._content[name].to_akform()[0], self._physical[name])
        return self._physical[name]

    def _find_columns(self, form: Any, found: list[int]) -> None:
        """Column numbers from the keys "column-N" of an awkward form."""
        for key in form.expected_from_buffers(recursive=True, buffer_key="{form_key}"):
            digits = key.split("-")
            if digits[0] == "column" and len(digits) > 1 and digits[1].isdigit():
                found.append(int(digits[1]))

    def _arrays(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
        if self._checksums is not None:
            for name in names:
                self._checksums.compare(name, self._columns_of(name), start, stop)
        top = [name for name in names if name in self._content.keys(recursive=False)]
        arrays = {}
        if top:
            records = self._content.arrays(
                filter_name=top, entry_start=start, entry_stop=stop, array_cache=self._cache, library="ak"
            )
            arrays = {name: records[name] for name in top}
        for name in names:
            if name not in arrays:
                arrays[name] = self._content[name].array(
                    entry_start=start, entry_stop=stop, array_cache=self._cache, library="ak"
                )
        return arrays
