"""A column of values, one per event or several per event, with elements that may be missing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ExpressionError
from analysis.expressions import arithmetic

Values = NDArray[Any]
Mask = NDArray[np.bool_]
Scalar = bool | int | float


@dataclass(frozen=True, eq=False)
class Column:
    """One value per event, or with `offsets` a list of values per event.

    values : (N,) per event, or (M,) the flat elements of all events.
    missing : True where a value does not exist, such as the second jet of an event with one; None if all exist.
    offsets : (N + 1,) int64, event i owns the elements offsets[i] to offsets[i + 1]; None if there is one per event.
    unlisted : (N,) True where an event has no list at all, not even an empty one; None if all have.
    """

    values: Values
    missing: Mask | None = None
    offsets: NDArray[np.int64] | None = None
    unlisted: Mask | None = None

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
        missing = None if self.missing is None else self.missing[passing]
        return Column(self.values[passing], missing, offsets, either(self.unlisted, keep.unlisted))

    def reduce(self, function: Callable[[Values, NDArray[np.int64]], Values], *, empty: Scalar | None) -> Column:
        """Reduce the list of every event; an event without elements gives `empty`, or is missing if that is None.

        `function` takes the values and the first position of every list. A list with a missing element has a missing
        result.
        """
        if self.offsets is None:
            raise ExpressionError("A reduction over the elements of an event needs a list, not one value.")
        filled = self.counts > 0
        # Also of nothing at all: of what kind the result is never depends on the events of a chunk.
        reduced = function(self.values, starts := self.offsets[:-1][filled])
        values = np.full(len(self), 0 if empty is None else empty, dtype=reduced.dtype)
        values[filled] = reduced
        missing = ~filled if empty is None else np.zeros(len(self), dtype=bool)
        if self.unlisted is not None:
            missing |= self.unlisted
        if self.missing is not None and filled.any():
            missing[filled] |= np.logical_or.reduceat(self.missing, starts)
        return Column(values, missing if missing.any() else None)


#: A column, or a number of the text as an array of one.
Operand = Column | Values


def length_of(*operands: Operand) -> int | None:
    """Events of the operands; None if all are numbers of the text."""
    lengths = {len(o) for o in operands if isinstance(o, Column)}
    if len(lengths) > 1:
        raise ExpressionError(f"Columns of {sorted(lengths)} events do not combine.")
    return lengths.pop() if lengths else None


def widened(operand: Operand) -> Values:
    """The values alone: whole numbers, double precision or truth values."""
    return arithmetic.wide(operand.values) if isinstance(operand, Column) else operand


def elementwise(function: Callable[..., Values], *operands: Operand) -> Operand:
    """Apply a function of arrays element by element; what is missing in one operand is missing in the result.

    A value per event combines with every element of that event's list. A ufunc gets as many operands as it has inputs:
    it would write into any further one.
    """
    if isinstance(function, np.ufunc) and function.nin != len(operands):
        raise ExpressionError(f"{function.__name__} takes {function.nin} operands, not {len(operands)}.")
    if length_of(*operands) is None:
        return function(*map(widened, operands))
    shape = aligned(*operands)
    return shape.column(function(*shape.values), either(*shape.missing))


@dataclass(frozen=True)
class Aligned:
    """Operands at one common shape: their values, where each is missing, and the lists that they share."""

    values: tuple[Values, ...]
    missing: tuple[Mask | None, ...]
    offsets: NDArray[np.int64] | None
    unlisted: Mask | None

    def column(self, values: Values, missing: Mask | None) -> Column:
        """A result of that shape."""
        if missing is not None and not missing.any():
            missing = None
        return Column(values, missing, self.offsets, self.unlisted)


def aligned(*operands: Operand) -> Aligned:
    """The operands at one common shape; at least one is a column."""
    lists = [o for o in operands if isinstance(o, Column) and o.offsets is not None]
    offsets = lists[0].offsets if lists else None
    for other in lists[1:]:
        if other.offsets is not offsets and not np.array_equal(other.offsets, offsets):  # type: ignore[arg-type]
            raise ExpressionError(
                "Two lists with different numbers of elements per event do not combine; take an element, such as "
                "[0], or a reduction, such as max(...), of one of them."
            )
    counts = None if offsets is None else np.diff(offsets)
    values: list[Values] = []
    missing: list[Mask | None] = []
    for operand in operands:
        value, absent = widened(operand), operand.missing if isinstance(operand, Column) else None
        if counts is not None and isinstance(operand, Column) and operand.offsets is None:
            value = np.repeat(value, counts)
            absent = None if absent is None else np.repeat(absent, counts)
        values.append(value)
        missing.append(absent)
    return Aligned(tuple(values), tuple(missing), offsets, either(*(o.unlisted for o in lists)))


def either(*masks: Mask | None) -> Mask | None:
    """Where one of the masks is True; None if there is none."""
    found = [mask for mask in masks if mask is not None]
    return functools.reduce(np.logical_or, found) if found else None
