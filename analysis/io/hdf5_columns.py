"""Columns of HDF5: data sets, fields of compound types, lists of variable length, and our own offsets with content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ExpressionError
from analysis.expressions.column import Column
from analysis.io.hdf5_heaps import refuse_endless_heaps, refuse_impossible_lengths
from analysis.io.hdf5_links import open_node

_NUMBERS = "biuf"


class Member(Protocol):
    """A column as it is stored.

    length : number of rows; nbytes : its size, and packed : of what is unpacked together with it from the first of
    stored : its data sets; chunk : rows that are packed together, None if they are not.
    """

    length: int
    nbytes: float
    packed: float
    chunk: int | None
    stored: tuple[Any, ...]

    def read(self, start: int, stop: int) -> Column:
        """Rows start to stop."""
        ...


@dataclass
class Odd:
    """What can not be a column of numbers; it is passed over unless somebody asks for it.

    `problem` is a reason, or the error that opening it gave.
    """

    problem: str | Exception
    length: int = 0
    nbytes: float = 0.0
    packed: float = 0.0
    chunk: int | None = None
    stored: tuple[Any, ...] = ()

    def read(self, start: int, stop: int) -> Column:
        """Raise what is wrong with it."""
        raise self.error("")

    def error(self, name: str) -> Exception:
        """What to raise when it is asked for by a name."""
        if isinstance(self.problem, Exception):
            return self.problem
        return ExpressionError(
            f"Column '{name}' holds {self.problem}; expressions work on one number, or one list of numbers, per event."
        )


class Numbers:
    """A data set (N,) of numbers, (N, k) of lists of k, or one field of such a data set of a compound type."""

    packed = 0.0

    def __init__(self, dataset: Any, fields: tuple[str, ...], dtype: np.dtype[Any], lists: tuple[int, ...]) -> None:
        self._dataset, self._fields, self._width = dataset, fields, lists
        self.length = int(dataset.shape[0])
        self.chunk = None if dataset.chunks is None else int(dataset.chunks[0])
        self.nbytes = float(self.length * dtype.itemsize * int(np.prod(lists)))
        self.stored = (dataset,)

    def read(self, start: int, stop: int) -> Column:
        """Rows start to stop."""
        values = taken(self._dataset, self._fields, start, stop)
        if not self._width:
            return Column(native(values))
        ends = np.arange(stop - start + 1, dtype=np.int64) * self._width[0]
        return Column(native(values).reshape(-1), offsets=ends)


class Ragged:
    """A data set (N,) of arrays of variable length, or a field of that type."""

    packed = 0.0

    def __init__(self, dataset: Any, fields: tuple[str, ...], dtype: np.dtype[Any]) -> None:
        self._dataset, self._fields, self._dtype = dataset, fields, dtype
        self.length = int(dataset.shape[0])
        self.chunk = None if dataset.chunks is None else int(dataset.chunks[0])
        self._heaps_are_sound = False
        # How long the lists are is known only when they are read.
        self.nbytes = float(self.length * 16 * dtype.itemsize)
        self.stored = (dataset,)

    def read(self, start: int, stop: int) -> Column:
        """Rows start to stop."""
        if not self._heaps_are_sound:
            refuse_endless_heaps(self._dataset.file.filename)
            if not self._fields:
                refuse_impossible_lengths(self._dataset, self._dtype.itemsize)
            self._heaps_are_sound = True
        lists = taken(self._dataset, self._fields, start, stop)
        ends = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        values = np.concatenate([np.empty(0, self._dtype), *lists])
        return Column(native(values), offsets=ends)


class Lists:
    """A group of `offsets` (N + 1,) and `content` (M,), where row i owns content[offsets[i]:offsets[i + 1]]."""

    packed = 0.0

    def __init__(self, offsets: Any, content: Any) -> None:
        self._offsets, self._content = offsets, content
        self.length = int(offsets.shape[0]) - 1
        self.chunk: int | None = None
        self.nbytes = float(offsets.nbytes + content.nbytes)
        self.stored = (offsets, content)

    def read(self, start: int, stop: int) -> Column:
        """Rows start to stop."""
        ends = np.asarray(self._offsets[start : stop + 1], dtype=np.int64)
        if ends[0] < 0 or ends[-1] > len(self._content) or ends[0] > ends[-1]:
            raise ValueError("the offsets point outside of the content")
        return Column(native(self._content[ends[0] : ends[-1]]), offsets=ends - ends[0])


def columns_of(name: str, node: Any) -> Iterator[tuple[str, Member]]:
    """The columns that a data set holds: itself, or every field of its compound type, fields of fields as `a.b`."""
    try:
        if node.shape is None or node.ndim == 0:
            return
        yield from _fields(name, node, (), node.dtype, node.shape[1:])
    except TypeError as error:
        yield name, Odd(f"a type that numpy does not know ({error})")
    except Exception as error:
        yield name, Odd(error)


def is_compound(node: Any) -> bool:
    """Whether an object is a data set of records, one or several per row."""
    import h5py

    if not isinstance(node, h5py.Dataset) or not node.shape:
        return False
    try:
        return node.dtype.names is not None
    except TypeError:
        return False


def lists_in(group: Any) -> Lists | None:
    """The column of a group of `offsets` and `content`; None for anything else."""
    import h5py

    if not isinstance(group, h5py.Group) or set(group) != {"offsets", "content"}:
        return None
    offsets, content = open_node(group, "offsets"), open_node(group, "content")
    for part, kinds in ((offsets, "iu"), (content, _NUMBERS)):
        if not isinstance(part, h5py.Dataset) or part.shape is None or part.ndim != 1 or part.dtype.kind not in kinds:
            return None
    return Lists(offsets, content) if offsets.shape[0] > 0 else None


def _fields(
    name: str, node: Any, fields: tuple[str, ...], dtype: np.dtype[Any], lists: tuple[int, ...]
) -> Iterator[tuple[str, Member]]:
    import h5py

    if dtype.subdtype is not None:
        dtype, shape = dtype.subdtype
        lists = (*lists, *shape)
    if dtype.names is not None:
        for field in dtype.names:
            full = ".".join((*fields, field))
            yield from _fields(full, node, (*fields, field), dtype[field], lists)
        return
    variable = h5py.check_vlen_dtype(dtype)
    if len(lists) > 1:
        yield name, Odd(f"arrays of the shape {lists}", len(node))
    elif isinstance(variable, np.dtype) and variable.kind in _NUMBERS and not lists:
        yield name, Ragged(node, fields, variable)
    elif dtype.kind in _NUMBERS:
        yield name, Numbers(node, fields, dtype, lists)
    else:
        yield name, Odd(f"values of the type {_called(dtype)}", len(node))


def _called(dtype: np.dtype[Any]) -> str:
    """Type in words."""
    import h5py

    if h5py.check_string_dtype(dtype) is not None or dtype.kind in "SU":
        return "text"
    if h5py.check_ref_dtype(dtype) is not None:
        return "reference"
    return {"O": "list of something else than numbers", "c": "complex number"}.get(dtype.kind, str(dtype))


def taken(dataset: Any, fields: tuple[str, ...], start: int, stop: int) -> NDArray[Any]:
    """Rows of a data set, or of one field of it."""
    if not fields:
        return np.asarray(dataset[start:stop])
    values = dataset.fields(fields[0])[start:stop]
    for field in fields[1:]:
        values = values[field]
    return np.asarray(values)


def native(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in the byte order of the machine, and in double precision where they have more or fewer bits."""
    if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
        return values.astype(np.float64)
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
