"""The words of the packages are those of the field, and overriding is said to the type checker, not in a docstring."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("analysis", "generators", "cathode")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def names(tree: ast.AST) -> set[str]:
    """What a module defines: classes, functions, arguments, variables and attributes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def words(name: str) -> set[str]:
    """`SidebandStrips` and `sideband_strips` -> sideband, strips."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


#: Words that names had before there were those of the field -> what they are called.
FORMER = {
    "strip": "validation region",
    "strips": "validation regions",
    "judge": "evaluate",
    "judgement": "candidate",
    "verdict": "conclusion",
}


@pytest.mark.parametrize("former", FORMER)
def test_no_name_has_a_word_of_before(former: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in MODULES
        for name in names(ast.parse(path.read_text(encoding="utf-8")))
        if former in words(name)
    }
    assert not found, f"called {FORMER[former]}"


def test_words_of_a_name_are_told_apart() -> None:
    assert words("SidebandStrips") == words("sideband_strips") == {"sideband", "strips"}
    assert "strip" not in words("stripes")


def test_no_docstring_says_only_where_to_look() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and (ast.get_docstring(node) or "").startswith("See `")
    ]
    assert not found
