"""Every function of the allow-list against the standard library."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from analysis.expressions.column import Column
from analysis.expressions.operators import ARGUMENTS, FUNCTION_NAMES, FUNCTIONS, REDUCTIONS

POINTS = [0.1, 0.7, 1.0, 2.5]
OF_MATH: dict[str, Callable[..., float]] = {
    name: getattr(math, name)
    for name in ("isfinite", "isnan", "sqrt", "log", "log10", "exp", "sin", "cos", "tan", "sinh", "cosh", "tanh")
} | {"abs": abs, "hypot": math.hypot, "atan2": math.atan2}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_those_of_the_standard_library(name: str) -> None:
    function, count = FUNCTIONS[name]
    arguments = [np.array(POINTS), np.array(POINTS[::-1])][:count]
    expected = [OF_MATH[name](*row) for row in zip(*arguments, strict=True)]
    np.testing.assert_allclose(function(*arguments), expected, rtol=1e-14)


@pytest.mark.parametrize(("name", "expected"), [("sum", [6.0, 0.0]), ("min", [1.0, None]), ("max", [3.0, None])])
def test_reductions_of_a_full_and_an_empty_list(name: str, expected: list[float | None]) -> None:
    result = REDUCTIONS[name](Column(np.array([1.0, 2.0, 3.0]), None, np.array([0, 3, 3])))
    gone = [False, False] if result.missing is None else result.missing.tolist()
    assert [None if m else v for v, m in zip(result.values.tolist(), gone, strict=True)] == expected


def test_every_function_says_how_many_arguments_it_takes() -> None:
    assert set(FUNCTIONS) | set(REDUCTIONS) < set(ARGUMENTS) <= FUNCTION_NAMES
