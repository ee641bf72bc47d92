"""Numbers in the text, and bounds of the digits of a result."""

from __future__ import annotations

import ast
import math

import pytest

from analysis.expressions.literals import literal, size_of


def of(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("-3", -3), ("--3", 3), ("2.5", 2.5)])
def test_a_number_with_its_sign(text: str, value: float) -> None:
    assert literal(of(text)) == value


@pytest.mark.parametrize("text", ["pt", "True", "3 + 4", "'a'", "-pt"])
def test_anything_else_is_none(text: str) -> None:
    assert literal(of(text)) is None


@pytest.mark.parametrize("text", ["a * b * c", "(a + b) ** 5", "a ** 3 * b ** 2", "abs(a) * 7 - b"])
def test_the_bound_holds_for_the_largest_branches(text: str) -> None:
    value = eval(text, {"abs": abs}, dict.fromkeys("abc", 2**63))  # noqa: S307
    assert math.log2(abs(value) + 1) <= 64 * size_of(of(text))
