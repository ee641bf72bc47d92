"""A range of entries as named columns: what an expression is evaluated on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import BranchNotFoundError, ExpressionError, nearest
from analysis.expressions.arithmetic import as_float, wide
from analysis.expressions.column import Column


class Chunk:
    """Columns of the same entries by name, normalised when first asked for.

    Parameters
    ----------
    arrays : numpy or awkward arrays, or Columns, by identifier; all of the same number of entries.
    entries : that number; needed only where `arrays` is empty.
    """

    def __init__(self, arrays: Mapping[str, Any], entries: int | None = None) -> None:
        self._arrays = arrays
        self.entries = entries if entries is not None else len(next(iter(arrays.values()), ()))
        self._columns: dict[str, Column] = {}
        self._orders: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]] | None] = {}
        self._ranked: dict[tuple[str, int], Column] = {}

    @property
    def names(self) -> Collection[str]:
        """Identifiers of the columns."""
        return self._arrays.keys()

    def column(self, name: str) -> Column:
        """Column by identifier."""
        if name not in self._columns:
            if name not in self._arrays:
                raise BranchNotFoundError(f"No branch '{name}'. {nearest(name, self.names)}")
            column = column_of(self._arrays[name], name)
            if len(column) != self.entries:
                raise ExpressionError(f"Column '{name}' has {len(column)} entries, the others have {self.entries}.")
            self._columns[name] = column
        return self._columns[name]

    def ranked(self, collection: str, field: str, order_by: str, rank: int) -> Column:
        """Column `field` of the element of `collection` that is number `rank` in descending `order_by`; rank 0 or 1.

        `field` and `order_by` are identifiers. Files usually store collections in this order, and then nothing is
        sorted.
        """
        key = (field, rank)
        if key not in self._ranked:
            column, leader = self.column(field), self.column(order_by)
            if not np.array_equal(column.offsets, leader.offsets):  # type: ignore[arg-type]
                raise ExpressionError(f"'{field}' and '{order_by}' have different numbers of elements per event.")
            if collection not in self._orders:
                self._orders[collection] = _leading_two(leader)
            order = self._orders[collection]
            if order is None:
                self._ranked[key] = column.element(rank)
            else:
                self._ranked[key] = _taken(column, order[rank], rank)
        return self._ranked[key]


def _leading_two(key: Column) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Flat positions of the largest and second largest element of each event; None if the first two are already so."""
    offsets = key.offsets
    if offsets is None:
        raise ExpressionError("Leading elements need a list per event, not one value.")
    # In double precision: the negative of an unsigned number would be a large one.
    values = as_float(wide(key.values))
    if key.missing is not None:
        values = np.where(key.missing, -np.inf, values)
    falls = np.ones(len(values) + 1, dtype=bool)
    falls[1:-1] = values[1:] <= values[:-1]
    falls[offsets] = True
    if falls.all():
        return None
    event = np.repeat(np.arange(len(key)), np.diff(offsets))
    # Stable, so that equal elements keep the order of the file.
    order = np.lexsort((-values, event))
    last = max(len(order) - 1, 0)
    first = offsets[:-1]
    return order[np.minimum(first, last)], order[np.minimum(first + 1, last)]


def _taken(column: Column, position: NDArray[np.int64], rank: int) -> Column:
    present = column.counts > rank
    values = column.values[position]
    absent = ~present
    if column.missing is not None:
        absent |= column.missing[position]
    return Column(values, absent if absent.any() else None)


def column_of(array: Any, name: str = "") -> Column:
    """Column from a numpy or awkward array of one value, or one list of numbers, per event.

    Raises
    ------
    ExpressionError
        If the array holds strings, records or lists of lists.
    """
    if isinstance(array, Column):
        return array
    if isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in "biuf":
        return Column(array.astype(array.dtype.newbyteorder("="), copy=False))
    import awkward as ak

    layout, missing = _present(ak.to_layout(array))
    if isinstance(layout, ak.contents.NumpyArray) and layout.data.ndim > 1:
        layout = layout.to_RegularArray()
    is_text = layout.parameter("__array__") is not None
    if not is_text and isinstance(
        layout, ak.contents.RegularArray | ak.contents.ListOffsetArray | ak.contents.ListArray
    ):
        layout = layout.to_ListOffsetArray64(True)
        offsets = np.asarray(layout.offsets.data, dtype=np.int64)
        content, absent = _present(layout.content[: int(offsets[-1])])
        if _is_numbers(content):
            return Column(*_expanded(np.asarray(content.data), absent), _reaching(offsets, missing), missing)
    elif _is_numbers(layout):
        return Column(*_expanded(np.asarray(layout.data), missing))
    raise ExpressionError(
        f"Column '{name}' has the type '{ak.to_layout(array).form.type}'; expressions work on one number, or one list "
        "of numbers, per event."
    )


def _is_numbers(layout: Any) -> bool:
    data = getattr(layout, "data", None)
    return isinstance(data, np.ndarray) and data.ndim == 1 and data.dtype.kind in "biuf"


def _reaching(offsets: NDArray[np.int64], missing: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Offsets of all events, of which those without a list own nothing."""
    if missing is None:
        return offsets
    counts = np.zeros(len(missing), dtype=np.int64)
    counts[~missing] = np.diff(offsets)
    return np.concatenate([[0], np.cumsum(counts)])


def _present(layout: Any) -> tuple[Any, NDArray[np.bool_] | None]:
    """The values that exist, without the wrappers of optional values, and which ones do not."""
    missing = None
    while layout.is_indexed or layout.is_option:
        if layout.is_option:
            absent = np.asarray(layout.mask_as_bool(valid_when=False))
            missing = absent if absent.any() else None
        layout = layout.project()
    # Nothing but empty lists or nulls has no type.
    return layout.to_NumpyArray(np.dtype(np.float64)) if layout.is_unknown else layout, missing


def _expanded(values: NDArray[Any], missing: NDArray[np.bool_] | None) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Put zeros where values are missing."""
    if missing is None:
        return values, None
    expanded = np.zeros(len(missing), dtype=values.dtype)
    expanded[~missing] = values
    return expanded, missing
