"""Tests lie where the modules lie that they are about: tests/analysis/io/test_hdf5.py tests analysis/io/hdf5.py."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("analysis", "generators", "cathode")

#: Tests of a folder that has the name of a module elsewhere.
OF_A_FOLDER = {"tests/cathode/config/test_config.py"}


def modules(package: str) -> list[Path]:
    return [path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py")) if not path.name.startswith("__")]


def files_of_tests(package: str) -> list[Path]:
    return [path.relative_to(ROOT) for path in sorted((ROOT / "tests" / package).rglob("test_*.py"))]


def imported() -> set[str]:
    """Modules, and names in them, that some test imports."""
    found = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
    return found


def test_a_test_named_after_a_module_lies_in_its_folder() -> None:
    lost = []
    for package in PACKAGES:
        places = defaultdict(list)
        for module in modules(package):
            places[f"test_{module.name}"].append(Path("tests") / module.parent)
        lost += [
            f"{test} belongs in {' or '.join(map(str, places[test.name]))}"
            for test in files_of_tests(package)
            if places[test.name] and test.parent not in places[test.name] and str(test) not in OF_A_FOLDER
        ]
    assert not lost


def test_every_module_has_a_test_of_its_own() -> None:
    """A test file of its name, or one that imports it by name."""
    known = imported()
    for package in PACKAGES:
        named = {test.name for test in files_of_tests(package)}
        bare = [
            str(module)
            for module in modules(package)
            if f"test_{module.name}" not in named and ".".join(module.with_suffix("").parts) not in known
        ]
        assert bare == []


def test_the_table_of_where_is_what_names_files_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("## Where is what") : text.index("## A change")]
    named = re.findall(r"`((?:analysis|generators|cathode|tests)/[^`]*)`", table)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []
