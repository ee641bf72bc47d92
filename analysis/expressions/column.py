"""A column of values, one per event or several per event, with elements that may be missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ExpressionError

Values = NDArray[Any]
Scalar = bool | int | float


@dataclass(frozen=True, eq=False)
class Column:
    """One value per event, or with `offsets` a list of values per event.

    values : (N,) per event, or (M,) the flat elements of all events.
    missing : True where a value does not exist, such as the second jet of an event with one; None if all exist.
    offsets : (N + 1,) int64, event i owns the elements offsets[i] to offsets[i + 1]; None if there is one per event.
    """

    values: Values
    missing: NDArray[np.bool_] | None = None
    offsets: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.values) if self.offsets is None else len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """Elements per event, (N,)."""
        if self.offsets is None:
            raise ExpressionError("One value per event has no elements to count.")
        return np.diff(self.offsets)

    @property
    def is_boolean(self) -> bool:
        """Whether the values are truth values."""
        return bool(self.values.dtype == np.bool_)

    def element(self, index: int) -> Column:
        """Element `index` of every event, counted from the end if negative; missing where there are fewer."""
        if self.offsets is None:
            raise ExpressionError(f"One value per event has no element [{index}].")
        counts = self.counts
        present = counts > index if index >= 0 else counts >= -index
        position = (self.offsets[:-1] if index >= 0 else self.offsets[1:]) + index
        if present.all():
            return self._at(position)
        if len(self.values) == 0:
            return Column(np.zeros(len(counts), dtype=self.values.dtype), ~present)
        taken = self._at(np.where(present, position, 0))
        absent = ~present if taken.missing is None else ~present | taken.missing
        return replace(taken, missing=absent)

    def _at(self, position: NDArray[np.int64]) -> Column:
        return Column(self.values[position], None if self.missing is None else self.missing[position])

    def where(self, keep: Column) -> Column:
        """The elements whose partner in `keep` (same list lengths, boolean) is present and True."""
        if self.offsets is None or keep.offsets is None or not keep.is_boolean:
            raise ExpressionError("An index in brackets is a number or a condition on the elements of the same list.")
        if not np.array_equal(self.offsets, keep.offsets):
            raise ExpressionError("The condition in brackets has another number of elements per event than the list.")
        passing = keep.values if keep.missing is None else keep.values & ~keep.missing
        offsets = np.concatenate([[0], np.cumsum(passing, dtype=np.int64)])[self.offsets]
        return Column(self.values[passing], None if self.missing is None else self.missing[passing], offsets)

    def reduce(self, ufunc: np.ufunc, *, empty: Scalar | None) -> Column:
        """Reduce the list of every event; an event without elements gives `empty`, or is missing if that is None.

        A list with a missing element has a missing result.
        """
        if self.offsets is None:
            raise ExpressionError(f"{ufunc.__name__} over the elements of an event needs a list, not one value.")
        filled = self.counts > 0
        starts = self.offsets[:-1][filled]
        values = np.full(len(self), 0 if empty is None else empty, dtype=self.values.dtype)
        if len(starts):
            values[filled] = ufunc.reduceat(self.values, starts)
        missing = ~filled if empty is None else np.zeros(len(self), dtype=bool)
        if self.missing is not None and len(starts):
            missing[filled] |= np.logical_or.reduceat(self.missing, starts)
        return Column(values, missing if missing.any() else None)


Operand = Column | Scalar


def length_of(*operands: Operand) -> int | None:
    """Events of the operands; None if all are plain numbers."""
    lengths = {len(o) for o in operands if isinstance(o, Column)}
    if len(lengths) > 1:
        raise ExpressionError(f"Columns of {sorted(lengths)} events do not combine.")
    return lengths.pop() if lengths else None


def elementwise(function: Callable[..., Any], *operands: Operand) -> Operand:
    """Apply a function of arrays element by element; what is missing in one operand is missing in the result.

    A value per event combines with every element of that event's list. A ufunc gets as many operands as it has inputs:
    it would write into any further one.
    """
    if isinstance(function, np.ufunc) and function.nin != len(operands):
        raise ExpressionError(f"{function.__name__} takes {function.nin} operands, not {len(operands)}.")
    if length_of(*operands) is None:
        return _plain(function(*operands))
    values, missing, offsets = aligned(*operands)
    result = np.asarray(function(*values))
    absent = [m for m in missing if m is not None]
    return Column(result, np.logical_or.reduce(absent) if absent else None, offsets)


def aligned(
    *operands: Operand,
) -> tuple[list[Values | Scalar], list[NDArray[np.bool_] | None], NDArray[np.int64] | None]:
    """Values and missing masks of the operands at one common shape, and the offsets of that shape."""
    lists = [o for o in operands if isinstance(o, Column) and o.offsets is not None]
    offsets = lists[0].offsets if lists else None
    for other in lists[1:]:
        if other.offsets is not offsets and not np.array_equal(other.offsets, offsets):  # type: ignore[arg-type]
            raise ExpressionError(
                "Two lists with different numbers of elements per event do not combine; take an element, such as "
                "[0], or a reduction, such as max(...), of one of them."
            )
    counts = None if offsets is None else np.diff(offsets)
    values: list[Values | Scalar] = []
    missing: list[NDArray[np.bool_] | None] = []
    for operand in operands:
        if not isinstance(operand, Column):
            values.append(operand)
            missing.append(None)
        elif counts is None or operand.offsets is not None:
            values.append(operand.values)
            missing.append(operand.missing)
        else:
            values.append(np.repeat(operand.values, counts))
            missing.append(None if operand.missing is None else np.repeat(operand.missing, counts))
    return values, missing, offsets


def _plain(value: Any) -> Scalar:
    """A numpy scalar as the Python number that it is."""
    plain = value.item() if isinstance(value, np.generic | np.ndarray) else value
    if not isinstance(plain, bool | int | float):
        raise ExpressionError(f"An expression of constants gives {plain!r}, which is no number.")
    return plain
