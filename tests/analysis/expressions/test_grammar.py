"""What the allow-list lets through, and what it refuses with the place."""

from __future__ import annotations

import re

import pytest

from analysis.errors import ExpressionError
from analysis.expressions.grammar import parse
from analysis.expressions.nodes import Branch, Chain, Constant, Element, Reduction, Selected
from analysis.selection import compile_expression


def test_an_expression_becomes_its_nodes() -> None:
    assert parse("pt") == Branch("pt")
    assert parse("2.5") == Constant(2.5)
    assert parse("pt[1]") == Element(Branch("pt"), 1)
    assert parse("pt[-2]") == Element(Branch("pt"), -2)
    assert isinstance(parse("a and b and c"), Chain)
    assert isinstance(parse("sum(pt)"), Reduction)
    assert isinstance(parse("pt[eta > 0]"), Selected)


@pytest.mark.parametrize(("name", "text"), [("line break", "pt >\n 3"), ("tabs", "pt\t>\t3")])
def test_blanks_of_any_kind_are_one_blank(name: str, text: str) -> None:
    assert parse(text) == parse("pt > 3")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "pt.__class__",
        "lambda: 1",
        "[x for x in pt]",
        "pt if eta > 0 else 0",
        "pt[0:2]",
        "pt[0, 1]",
        "f'{pt}'",
        "'text'",
        "open('a')",
        "(x := 3)",
        "sum(pt, key=3)",
        "sum(*pt)",
        "",
        "   ",
        "pt >",
        "1 +" * 3000,
        "(" * 80 + "pt" + ")" * 80 + "[" * 1,
        str(2**64),
        "2 ** 17 ** 17 ** 17",
    ],
)
def test_what_is_not_listed_is_refused_by_name(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


def test_the_message_says_where() -> None:
    with pytest.raises(ExpressionError, match=r"column 6.*where\(condition, a, b\)"):
        parse("3 + (a if b > 0 else c)")


def test_a_long_chain_is_no_deep_one() -> None:
    assert parse(" + ".join(["pt"] * 700))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a > 1 && b > 2", "'and'"),
        ("a > 1 AND b > 2", "small letters"),
        ("a = 1", "=="),
        ("a > 1.f", "without f"),
        ("a > 1 || b > 2", "'or'"),
        ("!(a > 1)", "'not'"),
        ("TMath::Abs(a) > 1", "abs(x)"),
        ("fabs(a) > 1", "abs(x)"),
        ("pow(a, 2) > 1", "x ** 2"),
        ("Length$(Jet_pt) > 1", "num(FatJet_pt)"),
        ("Jet_pt.size() > 1", "num(Jet_pt)"),
        ("a > 1;", "leave the ; out"),
        ("a > 1 ? b : c", "'and' and 'or'"),
        ("ev->pt > 1", "without ->"),
    ],
)
def test_habits_of_other_languages_are_answered(text: str, hint: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(hint)):
        compile_expression(text)
