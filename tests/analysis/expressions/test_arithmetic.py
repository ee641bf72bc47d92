"""Arithmetic against Python's own numbers, value by value."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.expressions import arithmetic

WHOLE = [0, 1, -1, 2, 3, -7, 2**31, 2**53 + 1, 2**62, -(2**62), 2**63 - 1, -(2**63)]
OPERATORS: list[tuple[Callable[..., Any], Callable[[int, int], int]]] = [
    (arithmetic.add, operator.add),
    (arithmetic.subtract, operator.sub),
    (arithmetic.multiply, operator.mul),
    (arithmetic.minimum, min),
    (arithmetic.maximum, max),
]


def whole(values: list[int]) -> Any:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(("ours", "python"), OPERATORS, ids=lambda f: getattr(f, "__name__", ""))
def test_whole_numbers_are_exact_beyond_64_bits(ours: Any, python: Any) -> None:
    left, right = (list(side) for side in zip(*[(a, b) for a in WHOLE for b in WHOLE], strict=True))
    result = ours(whole(left), whole(right))
    assert [int(v) for v in result] == [python(a, b) for a, b in zip(left, right, strict=True)]


@pytest.mark.parametrize(
    ("ours", "python"), [(arithmetic.floor_divide, operator.floordiv), (arithmetic.remainder, operator.mod)]
)
def test_division_rounds_down_and_by_zero_gives_no_whole_number(ours: Any, python: Any) -> None:
    left, right = [7, -7, 7, -7, 5], [2, 2, -2, -2, 0]
    with np.errstate(all="ignore"):  # as the evaluation of an expression does
        result = ours(whole(left), whole(right)).tolist()
    assert result[:4] == [python(a, b) for a, b in zip(left[:4], right[:4], strict=True)]
    assert not math.isfinite(result[4])


def test_a_value_does_not_depend_on_its_neighbours() -> None:
    alone = arithmetic.multiply(whole([3]), whole([5]))[0]
    beside = arithmetic.multiply(whole([3, 2**62]), whole([5, 4]))[0]
    assert alone == beside == 15


def test_comparison_is_exact_between_large_whole_numbers_and_floats() -> None:
    equal = arithmetic.comparison(np.equal)
    less = arithmetic.comparison(np.less)
    big = 2**53 + 1
    assert not equal(whole([big]), np.array([float(big)]))[0]
    assert less(np.array([float(2**53)]), whole([big]))[0]


def test_bits_of_negative_numbers_are_in_twos_complement() -> None:
    both = arithmetic.of_bits(np.bitwise_and, operator.and_)
    values = np.array([-1, 2**70], dtype=object)
    assert both(values, whole([2**40, 2**40])).tolist() == [2**40, 0]
    assert arithmetic.invert(whole([0, 5, -6])).tolist() == [-1, -6, 5]


def test_sums_of_runs_are_those_of_python() -> None:
    values, starts = whole([2**62, 2**62, 1, -5]), np.array([0, 2])
    assert [int(v) for v in arithmetic.total(values, starts)] == [2**63, -4]
    assert arithmetic.smallest(values, starts).tolist() == [2**62, -5]
    assert arithmetic.largest(values, starts).tolist() == [2**62, 1]


def test_a_fraction_of_a_negative_base_is_none_and_whole_powers_are_exact() -> None:
    assert arithmetic.power(whole([3, -2]), whole([40, 3])).tolist() == [3**40, -8]
    with np.errstate(all="ignore"):
        assert np.isnan(arithmetic.power(np.array([-8.0]), np.array([1 / 3])))[0]
    assert arithmetic.power(whole([2]), whole([-1]))[0] == 0.5


def test_unsigned_numbers_above_the_signed_range_stay_what_they_are() -> None:
    wide = arithmetic.wide(np.array([2**64 - 1, 1], dtype=np.uint64))
    assert wide.tolist() == [2**64 - 1, 1]
    assert arithmetic.wide(np.array([3], dtype=np.int8)).dtype == np.int64
    assert arithmetic.wide(np.array([3], dtype=np.float32)).dtype == np.float64
