"""Arithmetic as Python does it for each value alone: whole numbers are exact, everything else is double precision.

Arrays are of truth values (bool), of whole numbers (int64; or object where a value leaves 64 bits or a division by zero
left no whole number, so that a value never depends on its neighbours), or of numbers in double precision (float64).
`wide` brings the narrow types of files there. In arithmetic a truth value is 0 or 1, as in Python.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
Pair = Callable[[Any, Any], Any]
Range = tuple[int, int]
Bounds = Callable[[Range, Range], list[int]]

_LIMITS = np.iinfo(np.int64)
# Double precision holds every whole number below.
_EXACT = 2.0**53


def wide(values: Values) -> Values:
    """Integers of any width as whole numbers, floats in double precision."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "f":
        return values.astype(np.float64, copy=False)
    if kind == "u" and size == 8 and len(values) and values.max() > _LIMITS.max:
        return values.astype(object)
    return values.astype(np.int64, copy=False) if kind in "iu" else values


def constant(value: bool | int | float) -> Values:
    """A number of the text as an array of one."""
    if isinstance(value, bool | float):
        return np.array([value])
    return _narrowed(np.array([value], dtype=object))


def as_float(values: Values) -> Values:
    """In double precision; whole numbers beyond its range are infinite."""
    if values.dtype == object:
        return np.array([_float(v) for v in values.flat], dtype=np.float64).reshape(values.shape)
    return values.astype(np.float64, copy=False)


def is_whole(values: Values) -> bool:
    """Whether these are whole numbers."""
    return values.dtype.kind in "iO"


def add(a: Values, b: Values) -> Values:
    """The sum."""
    return _combined(a, b, np.add, operator.add, lambda x, y: [x[0] + y[0], x[1] + y[1]])


def subtract(a: Values, b: Values) -> Values:
    """The difference."""
    return _combined(a, b, np.subtract, operator.sub, lambda x, y: [x[0] - y[1], x[1] - y[0]])


def multiply(a: Values, b: Values) -> Values:
    """The product."""
    return _combined(a, b, np.multiply, operator.mul, lambda x, y: [i * j for i in x for j in y])


def multiply_floats(a: Values, b: Values) -> Values:
    """The product in double precision, for products whose whole value would have too many digits."""
    return np.asarray(as_float(a) * as_float(b))


def divide(a: Values, b: Values) -> Values:
    """The ratio in double precision; ±infinity or NaN where b is 0."""
    return np.asarray(np.true_divide(as_float(a), as_float(b)))


def floor_divide(a: Values, b: Values) -> Values:
    """The quotient rounded down as in Python; ±infinity or NaN where b is 0."""
    return _combined(a, b, np.floor_divide, _or_float(operator.floordiv, np.floor_divide), _quotient_bounds)


def remainder(a: Values, b: Values) -> Values:
    """The remainder, of the sign of b as in Python; NaN where b is 0."""
    return _combined(a, b, np.remainder, _or_float(operator.mod, np.remainder), _quotient_bounds)


def power(base: Values, exponent: Values) -> Values:
    """The power; exact for whole numbers with an exponent that is whole and not negative."""
    if not (is_whole(exponent) and (exponent >= 0).all()):
        return power_of_floats(base, exponent)
    return _combined(base, exponent, np.power, operator.pow, lambda x, y: [max(map(abs, x)) ** y[1]])


def power_of_floats(base: Values, exponent: Values) -> Values:
    """The power in double precision; NaN for a fraction of a negative base."""
    base, exponent = as_float(base), as_float(exponent)
    # Of minus infinity some exponents would give infinity.
    return np.where((base < 0) & (exponent != np.floor(exponent)), np.nan, np.power(base, exponent))


def positive(a: Values) -> Values:
    """+a, a number also where a is a truth value."""
    return _number(a)


def negative(a: Values) -> Values:
    """−a."""
    return -a if a.dtype.kind == "f" else subtract(constant(0), a)


def absolute(a: Values) -> Values:
    """|a|."""
    if a.dtype.kind == "f":
        return np.abs(a)
    return np.asarray(maximum(_number(a), negative(a)))


def minimum(a: Values, b: Values) -> Values:
    """The smaller of the two; NaN if one is."""
    return _chosen(a, b, np.minimum, min)


def maximum(a: Values, b: Values) -> Values:
    """The larger of the two; NaN if one is."""
    return _chosen(a, b, np.maximum, max)


def where(condition: Values, a: Values, b: Values) -> Values:
    """Values of a where the condition holds, else those of b; of the type that holds both."""
    return np.where(condition, *_of_one_type(a, b))


def comparison(ufunc: np.ufunc) -> Pair:
    """A comparison that is exact also between large whole numbers and floats."""

    def compare(a: Values, b: Values) -> Values:
        a, b = _number(a), _number(b)
        if a.dtype == b.dtype and a.dtype != object:
            return np.asarray(ufunc(a, b))
        if object in (a.dtype, b.dtype):
            return np.asarray(ufunc(a.astype(object), b.astype(object)), dtype=bool)
        a, b = np.broadcast_arrays(a, b)
        result = np.asarray(ufunc(as_float(a), as_float(b)))
        # Rounding keeps the order, but can make equal what is not.
        tied = (as_float(a) == as_float(b)) & (np.abs(as_float(a)) >= _EXACT)
        if tied.any():
            result[tied] = ufunc(a[tied].astype(object), b[tied].astype(object)).astype(bool)
        return result

    return compare


def of_bits(ufunc: np.ufunc, function: Pair) -> Pair:
    """An operation on the bits of whole numbers, negative ones in two's complement of any length.

    What a division by zero left has no bits and becomes NaN.
    """

    def combine(a: Values, b: Values) -> Values:
        if a.dtype != object and b.dtype != object:
            return np.asarray(ufunc(a, b))
        return _each(lambda x, y: function(x, y) if isinstance(x, int) and isinstance(y, int) else np.nan, a, b)

    return combine


def invert(a: Values) -> Values:
    """~a of whole numbers, −a − 1."""
    return subtract(constant(-1), a)


def shift_left(a: Values, bits: Values) -> Values:
    """Multiply a by a power of two."""
    return multiply(a, power(constant(2), bits))


def shift_right(a: Values, bits: Values) -> Values:
    """Divide a by a power of two, rounded down."""
    return floor_divide(a, power(constant(2), bits))


def total(values: Values, starts: NDArray[np.int64]) -> Values:
    """Sums of the runs that begin at `starts`."""
    values = _number(values)
    longest = int(np.diff(starts, append=len(values)).max(initial=0))
    if values.dtype == object or (values.dtype.kind == "i" and not _fits(_sum_bounds, values, constant(longest))):
        return _reduced(_or_float(operator.add, np.add), values, starts)
    return np.asarray(np.add.reduceat(values, starts))


def smallest(values: Values, starts: NDArray[np.int64]) -> Values:
    """Minima of the runs that begin at `starts`; NaN if one is."""
    if values.dtype != object:
        return np.asarray(np.minimum.reduceat(values, starts))
    return _reduced(_ordered(min), values, starts)


def largest(values: Values, starts: NDArray[np.int64]) -> Values:
    """Maxima of the runs that begin at `starts`; NaN if one is."""
    if values.dtype != object:
        return np.asarray(np.maximum.reduceat(values, starts))
    return _reduced(_ordered(max), values, starts)


def _number(values: Values) -> Values:
    return values.astype(np.int64) if values.dtype == np.bool_ else values


def _of_one_type(a: Values, b: Values) -> tuple[Values, Values]:
    """Both as truth values, as whole numbers, or in double precision."""
    if a.dtype == b.dtype:
        return a, b
    if "f" in (a.dtype.kind, b.dtype.kind):
        return as_float(a), as_float(b)
    a, b = _number(a), _number(b)
    return (a, b) if a.dtype == b.dtype else (a.astype(object), b.astype(object))


def _combined(a: Values, b: Values, ufunc: np.ufunc, exact: Pair, bounds: Bounds) -> Values:
    """By the ufunc, unless these are whole numbers whose ranges allow a result of more than 64 bits."""
    a, b = _of_one_type(_number(a), _number(b))
    if a.dtype == object or (a.dtype.kind == "i" and not _fits(bounds, a, b)):
        return _each(_or_float(exact, ufunc), a, b)
    return np.asarray(ufunc(a, b))


def _fits(bounds: Bounds, a: Values, b: Values) -> bool:
    if a.size == 0 or b.size == 0:
        return True
    # Of the ranges, not of every value: nothing is allocated.
    extremes = bounds((int(a.min()), int(a.max())), (int(b.min()), int(b.max())))
    return _LIMITS.min <= min(extremes) and max(extremes) <= _LIMITS.max


def _chosen(a: Values, b: Values, ufunc: np.ufunc, function: Pair) -> Values:
    a, b = _of_one_type(a, b)
    return np.asarray(ufunc(a, b)) if a.dtype != object else _each(_ordered(function), a, b)


def _sum_bounds(x: Range, terms: Range) -> list[int]:
    return [x[0] * terms[1], x[1] * terms[1]]


def _quotient_bounds(x: Range, y: Range) -> list[int]:
    """Those of a division; out of bounds if a divisor may be 0, for want of a whole result."""
    return [i // j for i in x for j in y] if y[0] > 0 or y[1] < 0 else [_LIMITS.max + 1]


def _each(function: Pair, a: Values, b: Values) -> Values:
    """Value by value, by Python."""
    pairs = np.broadcast(a.astype(object), b.astype(object))
    result = np.empty(pairs.shape, dtype=object)
    result[...] = [function(x, y) for x, y in pairs]
    return _narrowed(result)


def _reduced(function: Pair, values: Values, starts: NDArray[np.int64]) -> Values:
    result = np.empty(len(starts), dtype=object)
    stops = np.append(starts, len(values))[1:]
    for i, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
        result[i] = functools.reduce(function, values[start:stop].tolist())
    return _narrowed(result)


def _narrowed(values: Values) -> Values:
    """Python's whole numbers as int64, if all are whole and fit."""
    if all(isinstance(v, int) for v in values.flat):
        try:
            return values.astype(np.int64)
        except OverflowError:
            return values
    return values


def _or_float(exact: Pair, ufunc: np.ufunc) -> Pair:
    """`exact` for whole numbers; in double precision where it can not be, or one of them already is."""

    def function(x: Any, y: Any) -> Any:
        if isinstance(x, int) and isinstance(y, int):
            try:
                return exact(x, y)
            except ZeroDivisionError:
                pass
        return float(ufunc(_float(x), _float(y)))

    return function


def _ordered(function: Pair) -> Pair:
    return lambda x, y: function(x, y) if x == x and y == y else np.nan


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
