"""Three-valued logic against its truth table (Kleene)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.errors import ExpressionError
from analysis.expressions import logic
from analysis.expressions.column import Column

Truth = bool | None


def column(values: list[Truth]) -> Column:
    return Column(np.array([bool(v) for v in values]), np.array([v is None for v in values]))


def read(result: Any) -> list[Truth]:
    missing = np.zeros(len(result.values), bool) if result.missing is None else result.missing
    return [None if m else bool(v) for v, m in zip(result.values, missing, strict=True)]


def kleene_and(a: Truth, b: Truth) -> Truth:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def kleene_or(a: Truth, b: Truth) -> Truth:
    if a is True or b is True:
        return True
    return None if a is None or b is None else False


@pytest.mark.parametrize(
    ("ours", "table"),
    [
        (logic.conjunction, kleene_and),
        (logic.bitwise_and, kleene_and),
        (logic.disjunction, kleene_or),
        (logic.bitwise_or, kleene_or),
    ],
)
def test_truth_table(ours: Callable[..., Any], table: Callable[..., Truth]) -> None:
    pairs = list(itertools.product([True, False, None], repeat=2))
    left, right = (list(side) for side in zip(*pairs, strict=True))
    assert read(ours(column(left), column(right))) == [table(a, b) for a, b in pairs]
    assert read(logic.negation(column([True, False, None]))) == [False, True, None]


def test_quantifiers_over_lists() -> None:
    lists: list[list[Truth]] = [[], [True], [False], [None], [True, None], [False, None], [True, False]]
    flat = column([v for each in lists for v in each])
    listed = Column(flat.values, flat.missing, np.cumsum([0, *map(len, lists)]))

    def folded(table: Callable[..., Truth], start: bool) -> list[Truth]:
        results: list[Truth] = []
        for each in lists:
            value: Truth = start
            for v in each:
                value = table(value, v)
            results.append(value)
        return results

    assert read(logic.any_of(listed)) == folded(kleene_or, False)
    assert read(logic.all_of(listed)) == folded(kleene_and, True)


def test_numbers_are_no_conditions_and_fractions_have_no_bits() -> None:
    number, fraction = Column(np.array([3])), Column(np.array([2.5]))
    with pytest.raises(ExpressionError, match="act on conditions"):
        logic.conjunction(number, number)
    with pytest.raises(ExpressionError, match="with fractions"):
        logic.bitwise_and(fraction, fraction)
    with pytest.raises(ExpressionError, match="'<<'"):
        logic.shift_left(fraction, number)
    mixed: Any = logic.bitwise_xor(number, Column(np.array([6])))
    assert mixed.values.tolist() == [5]
