"""A function does one thing: what takes more than a screen has steps, and a step has a name."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("analysis", "generators", "cathode")

#: Lines from `def` to the last one, arguments and docstring included.
LONGEST = 60


def lengths(text: str) -> dict[str, int]:
    """Name and first line of every function, the inner ones too, and how many lines it has."""
    return {
        f"{node.name} (line {node.lineno})": (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_lines_are_counted_from_the_first_to_the_last() -> None:
    text = "@decorated\ndef one(a,\n        b):\n    def two():\n        pass\n    return two\n\n\n"
    text += "class C:\n    async def three(s): ...\n"
    assert lengths(text) == {"one (line 2)": 5, "two (line 4)": 2, "three (line 10)": 1}


def test_no_function_is_longer_than_a_screen() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}": lines
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for name, lines in lengths(path.read_text(encoding="utf-8")).items()
        if lines > LONGEST
    }
    assert not found
