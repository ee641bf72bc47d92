"""Arrays of numpy in .npy and .npz files: named arrays, or the fields of a structured one. Nothing is unpickled."""

from __future__ import annotations

import ast
import io
import math
import os
import zipfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from analysis.errors import ExpressionError, InputFileError
from analysis.expressions.column import Column
from analysis.io.decoding import checked, decoding
from analysis.io.hdf5_columns import native
from analysis.io.tables import choose_tree

_ALONE = "arr_0"
_LONGEST_HEADER = 100_000
_MEMBER = ".npy"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class _Stored:
    """An array as it is in the file: shape (N,) or (N, …), type, order, and where its first number is."""

    member: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int


@dataclass(frozen=True)
class _Field:
    """A column: fields of fields of an array."""

    stored: _Stored
    fields: tuple[str, ...]
    dtype: np.dtype[Any]
    lists: tuple[int, ...]


class NumpyTable:
    """The arrays of a file; its one table is called Events. Only those that are asked for need one length.

    Arrays of an .npz file are unpacked from their beginning, so they are best read in rising order, as is done here.
    """

    uuid = ""

    def __init__(self, path: str, tree: str | None) -> None:
        self.path = path
        self.tree = choose_tree(path, tree, ["Events"])
        self._zip: zipfile.ZipFile | None = None
        self._streams: dict[str, _Stream] = {}
        with decoding(path):
            if zipfile.is_zipfile(path):
                self._zip = zipfile.ZipFile(path)
                stored = self._members(self._zip)
            else:
                with open(path, "rb") as file:
                    stored = [(_ALONE, _header(file, "", os.path.getsize(path)))]
            if not stored:
                raise InputFileError(f"'{path}' has no arrays of numpy.")
        self._broken = {name: array for name, array in stored if isinstance(array, Exception)}
        found = [c for name, array in stored if isinstance(array, _Stored) for c in _columns(name, array)]
        self._columns = dict(found)
        self.names: Sequence[str] = (*(name for name, _ in found), *self._broken)
        numbers = [field.stored.shape[0] for _, field in found if not _problem(field)]
        self.entries = _usual_length(numbers) or _usual_length([field.stored.shape[0] for _, field in found])
        if self.entries == 0 and self._broken:
            # An archive whose arrays can not be read is not one without events.
            self._choose(list(self._broken))

    @property
    def verified(self) -> bool:
        """Whether the arrays that were read agreed with the CRC-32 of their archive."""
        return self._zip is not None and bool(self._streams)

    def boundaries(self, names: Collection[str]) -> NDArray[np.int64]:
        """None but the ends: nothing is packed in chunks."""
        self._choose(names)
        return np.array([0, self.entries], dtype=np.int64)

    def bytes_per_entry(self, names: Collection[str]) -> float:
        """Size of the arrays; an array in Fortran's order is read as a whole."""
        self._choose(names)
        stored = {self._columns[n].stored for n in names}
        return float(sum(s.dtype.itemsize * int(np.prod(s.shape[1:], dtype=np.float64)) for s in stored))

    def read(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        """The named columns for entries start to stop."""
        self._choose(names)
        columns: dict[str, Column] = {}
        rows: dict[str, NDArray[Any]] = {}
        for name in names:
            field = self._columns[name]
            with decoding(self.path, name, (start, stop)):
                if field.stored.member not in rows:
                    rows[field.stored.member] = self._rows(field.stored, start, stop)
                columns[name] = checked(_column(rows[field.stored.member], field))
        return columns

    def _members(self, archive: zipfile.ZipFile) -> list[tuple[str, _Stored | Exception]]:
        """Arrays of an archive; the error of a header that can not be read, for nobody may ask for that array."""
        found: list[tuple[str, _Stored | Exception]] = []
        for member in archive.infolist():
            if not member.filename.endswith(_MEMBER):
                continue
            name = member.filename.removesuffix(_MEMBER)
            try:
                with archive.open(member) as file:
                    found.append((name, _header(file, member.filename, member.file_size)))
            except Exception as error:
                found.append((name, error))
        return found

    def _rows(self, stored: _Stored, start: int, stop: int) -> NDArray[Any]:
        if stored.member not in self._streams:
            if self._zip is not None:
                # Reading to the end compares the CRC-32, and has to come before any of the numbers is believed.
                with self._zip.open(stored.member) as file:
                    while file.read(_BLOCK):
                        pass
            self._streams[stored.member] = _Stream(stored, self._zip, self.path)
        return self._streams[stored.member].rows(start, stop)

    def _choose(self, names: Collection[str]) -> None:
        """Refuse what is no column of numbers; all others have one length, which is that of the table."""
        for name in names:
            if name in self._broken:
                with decoding(self.path, name):
                    raise self._broken[name]
        fields = {name: self._columns[name] for name in names}
        for name, field in fields.items():
            if problem := _problem(field):
                raise ExpressionError(
                    f"'{self.path}': column '{name}' holds {problem}; expressions work on one number, or one list of "
                    "numbers, per event."
                )
        lengths = {name: field.stored.shape[0] for name, field in fields.items()}
        if len(set(lengths.values())) > 1:
            raise InputFileError(f"'{self.path}': the arrays have different lengths: {lengths}.")
        self.entries = next(iter(lengths.values()), self.entries)

    def close(self) -> None:
        """Release the file."""
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()
        if self._zip is not None:
            self._zip.close()


class _Stream:
    """The rows of one array, read from its beginning on; what lies before is read again only if somebody goes back."""

    def __init__(self, stored: _Stored, archive: zipfile.ZipFile | None, path: str) -> None:
        self._stored, self._archive, self._path = stored, archive, path
        self._row = stored.dtype.itemsize * int(np.prod(stored.shape[1:], dtype=np.int64))
        self._file: IO[bytes] | io.BufferedReader | None = None
        self._next = 0
        self._whole: NDArray[Any] | None = None

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """(stop - start, …)."""
        if self._stored.fortran:
            if self._whole is None:
                whole = np.frombuffer(self._bytes(0, self._stored.shape[0]), self._stored.dtype)
                self._whole = whole.reshape(self._stored.shape, order="F")
            return self._whole[start:stop]
        shape = (stop - start, *self._stored.shape[1:])
        return np.frombuffer(self._bytes(start, stop), self._stored.dtype).reshape(shape)

    def _bytes(self, start: int, stop: int) -> bytes:
        if self._file is None or start < self._next:
            self.close()
            if self._archive is None:
                self._file = io.BufferedReader(io.FileIO(self._path))
            else:
                self._file = self._archive.open(self._stored.member)
            self._file.seek(self._stored.offset)
            self._next = 0
        self._file.seek((start - self._next) * self._row, os.SEEK_CUR)
        wanted = (stop - start) * self._row
        data = self._file.read(wanted) or b""
        if len(data) != wanted:
            raise ValueError(f"it ends after {len(data)} of {wanted} bytes")
        if stop == self._stored.shape[0] and self._file.read(1):
            raise ValueError("it goes on after its last number")
        self._next = stop
        return data

    def close(self) -> None:
        """Release the file."""
        self._whole = None
        if self._file is not None:
            self._file.close()
            self._file = None


def _header(file: IO[bytes], member: str, size: int) -> _Stored:
    """Shape, type and place of an array; a literal of Python that is parsed and not executed."""
    major, _ = npy.read_magic(file)
    width = 2 if major == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    if major > 3 or length > _LONGEST_HEADER:
        raise ValueError(f"the header of {member or 'the array'} has the version {major} and {length} bytes")
    header = ast.literal_eval(file.read(length).decode("utf-8" if major == 3 else "latin-1"))
    shape, dtype = tuple(int(n) for n in header["shape"]), npy.descr_to_dtype(header["descr"])
    offset = len(npy.magic(1, 0)) + width + length
    wanted = offset + math.prod(shape) * dtype.itemsize
    if any(n < 0 for n in shape) or (wanted != size and not dtype.hasobject):
        raise ValueError(f"{member or 'the array'} of the shape {shape} needs {wanted} bytes and has {size}")
    return _Stored(member, shape, dtype, bool(header["fortran_order"]) and len(shape) > 1, offset)


def _columns(name: str, stored: _Stored) -> list[tuple[str, _Field]]:
    if not stored.shape:
        return []
    if stored.dtype.names is None:
        return [(name, _Field(stored, (), stored.dtype, stored.shape[1:]))]
    above = "" if name == _ALONE else f"{name}/"
    return [(above + ".".join(f.fields), f) for f in _fields(stored, (), stored.dtype, stored.shape[1:])]


def _fields(stored: _Stored, fields: tuple[str, ...], dtype: np.dtype[Any], lists: tuple[int, ...]) -> list[_Field]:
    if dtype.subdtype is not None:
        dtype, shape = dtype.subdtype
        lists = (*lists, *shape)
    if dtype.names is None:
        return [_Field(stored, fields, dtype, lists)]
    return [f for name in dtype.names for f in _fields(stored, (*fields, name), dtype[name], lists)]


def _problem(field: _Field) -> str:
    """Why it is no column of numbers; empty if it is."""
    if field.stored.dtype.hasobject:
        return "Python objects, which are not unpickled"
    if field.dtype.kind not in "biuf":
        return "text" if field.dtype.kind in "SU" else f"values of the type {field.dtype}"
    return f"arrays of the shape {field.lists}" if len(field.lists) > 1 else ""


def _column(rows: NDArray[Any], field: _Field) -> Column:
    values = rows
    for name in field.fields:
        values = values[name]
    if not field.lists:
        return Column(native(values))
    ends = np.arange(len(rows) + 1, dtype=np.int64) * field.lists[0]
    return Column(native(values).reshape(-1), offsets=ends)


def _usual_length(lengths: Sequence[int]) -> int:
    """The length that most arrays have, of those with any row."""
    counts = Counter(length for length in lengths if length > 0)
    return counts.most_common(1)[0][0] if counts else 0
