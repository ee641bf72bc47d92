"""Conditions in three-valued logic: False and missing is False, True or missing is True, else what is missing stays so.

`&`, `|`, `^` and `~` act on conditions like `and`, `or`, `!=` and `not`, and on whole numbers bit by bit.
"""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ExpressionError
from analysis.expressions import arithmetic
from analysis.expressions.column import Column, Operand, Values, aligned, elementwise, widened

_WHOLE, _CONDITION, _FLOAT = "a whole number", "a condition", "a number with fractions"


def conjunction(left: Operand, right: Operand) -> Operand:
    """Both are true."""
    return _decided(np.logical_and, condition(left), condition(right), decisive=False)


def disjunction(left: Operand, right: Operand) -> Operand:
    """At least one is true."""
    return _decided(np.logical_or, condition(left), condition(right), decisive=True)


def negation(operand: Operand) -> Operand:
    """The opposite."""
    return elementwise(np.logical_not, condition(operand))


def bitwise_and(left: Operand, right: Operand) -> Operand:
    """Both conditions, or the bits that both have."""
    if _are_conditions("&", left, right):
        return conjunction(left, right)
    return elementwise(arithmetic.of_bits(np.bitwise_and, operator.and_), left, right)


def bitwise_or(left: Operand, right: Operand) -> Operand:
    """One of the conditions, or the bits that one has."""
    if _are_conditions("|", left, right):
        return disjunction(left, right)
    return elementwise(arithmetic.of_bits(np.bitwise_or, operator.or_), left, right)


def bitwise_xor(left: Operand, right: Operand) -> Operand:
    """Exactly one of the conditions, or the bits that exactly one has."""
    if _are_conditions("^", left, right):
        return elementwise(np.logical_xor, left, right)
    return elementwise(arithmetic.of_bits(np.bitwise_xor, operator.xor), left, right)


def bitwise_not(operand: Operand) -> Operand:
    """The opposite, or all bits turned over."""
    return negation(operand) if _are_conditions("~", operand) else elementwise(arithmetic.invert, operand)


def shift_left(operand: Operand, bits: Operand) -> Operand:
    """Bits moved up, into as many places as it takes."""
    return elementwise(arithmetic.shift_left, _whole("<<", operand), bits)


def shift_right(operand: Operand, bits: Operand) -> Operand:
    """Bits moved down; those below the lowest place are lost."""
    return elementwise(arithmetic.shift_right, _whole(">>", operand), bits)


def any_of(column: Column) -> Column:
    """Whether one element of each event is True; False without elements."""
    return _quantified(column, np.logical_or, decisive=True)


def all_of(column: Column) -> Column:
    """Whether all elements of each event are True; True without elements."""
    return _quantified(column, np.logical_and, decisive=False)


def condition(operand: Operand) -> Operand:
    """The same, if it is a condition.

    Raises
    ------
    ExpressionError
        If it is a number.
    """
    if _kind(operand) == _CONDITION:
        return operand
    raise ExpressionError(
        "and, or, not, any, all and where act on conditions; compare the number with something, for example "
        "'nFatJet > 0' or '(jetId & 2) != 0', and put each comparison around & or | in parentheses."
    )


def _kind(operand: Operand) -> str:
    values = widened(operand)
    return _CONDITION if values.dtype == np.bool_ else _WHOLE if arithmetic.is_whole(values) else _FLOAT


def _are_conditions(symbol: str, *operands: Operand) -> bool:
    kinds = [_kind(operand) for operand in operands]
    if len(set(kinds)) == 1 and kinds[0] != _FLOAT:
        return kinds[0] == _CONDITION
    raise ExpressionError(
        f"'{symbol}' acts on conditions or on the bits of whole numbers, not on {' and '.join(kinds)}; "
        f"{'a power is written x ** 2; ' if symbol == '^' else ''}put each comparison in parentheses, as in "
        "'(nFatJet > 0) & (MET_pt > 100)'."
    )


def _whole(symbol: str, operand: Operand) -> Operand:
    if _kind(operand) == _WHOLE:
        return operand
    raise ExpressionError(f"'{symbol}' acts on the bits of whole numbers, not on {_kind(operand)}.")


def _decided(ufunc: np.ufunc, left: Operand, right: Operand, *, decisive: bool) -> Operand:
    """The result, which is known where one operand alone decides it."""
    result = elementwise(ufunc, left, right)
    if not isinstance(result, Column) or result.missing is None:
        return result
    decided = np.zeros(result.values.shape, dtype=bool)
    shape = aligned(left, right)
    for values, missing in zip(shape.values, shape.missing, strict=True):
        decides = values == decisive
        decided |= decides if missing is None else decides & ~missing
    return shape.column(np.where(decided, decisive, result.values), result.missing & ~decided)


def _quantified(column: Column, ufunc: np.ufunc, *, decisive: bool) -> Column:
    def reduce(values: Values, starts: NDArray[np.int64]) -> Values:
        return np.asarray(ufunc.reduceat(values, starts))

    result = column.reduce(reduce, empty=not decisive)
    if result.missing is None or column.missing is None:
        return result
    known = Column(np.where(column.missing, not decisive, column.values), None, column.offsets, column.unlisted)
    decided = known.reduce(reduce, empty=not decisive).values == decisive
    missing = result.missing & ~decided
    return Column(np.where(decided, decisive, result.values), missing if missing.any() else None)
