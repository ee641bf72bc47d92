"""What the packages import is what they declare, no less and no more."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("analysis", "generators", "cathode")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Modules that are not called like the project that brings them.
PROJECT_OF = {"sklearn": "scikit-learn", "yaml": "pyyaml", "ot": "pot", "mplhep_data": "mplhep-data", "PIL": "pillow"}
#: Declared because something else looks for them.
PLUGINS = {"fsspec-xrootd": "uproot reads root:// addresses through it"}
#: Extras of those who work on the package.
WORKSHOP = {"dev", "docs"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement(text: str) -> str:
    return normal(re.split(r"[\s<>=!~;\[]", text, maxsplit=1)[0])


DECLARED = {requirement(each) for each in PROJECT["dependencies"]}
EXTRAS = {name: {requirement(each) for each in texts} for name, texts in PROJECT["optional-dependencies"].items()}


def modules(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Modules that are imported, by statements or by functions that take their name, anywhere in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module, node
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if function in {"import_module", "find_spec", "files", "_require"} and isinstance(node.args[0].value, str):
                yield node.args[0].value, node


def used() -> dict[str, dict[str, bool]]:
    """Project -> file that imports it -> whether one of the imports is made as the file is loaded."""
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            at_once = {id(node) for node in tree.body}
            for name, node in modules(tree):
                top = name.split(".")[0]
                if top not in sys.stdlib_module_names and top not in PACKAGES:
                    file = str(path.relative_to(ROOT))
                    project = normal(PROJECT_OF.get(top, top))
                    found[project][file] = found[project].get(file, False) or id(node) in at_once
    return found


USED = used()


def test_the_walk_sees_imports_of_every_kind() -> None:
    text = """
import one.two
def f():
    from three import x
    import_module("four.five")
    util.find_spec("six")
from . import seven
"""
    assert [name for name, _ in modules(ast.parse(text))] == ["one.two", "three", "four.five", "six"]
    assert len(USED) > 20


def test_everything_that_is_imported_is_declared() -> None:
    known = DECLARED.union(*(names for extra, names in EXTRAS.items() if extra not in WORKSHOP))
    # Without CUDA there is none, and torch brings it.
    missing = {project: sorted(files) for project, files in USED.items() if project not in known | {"triton"}}
    assert not missing


def test_what_only_an_extra_brings_is_imported_where_it_is_needed() -> None:
    for extra, names in EXTRAS.items():
        for project in names - DECLARED if extra not in WORKSHOP else ():
            assert not [file for file, at_once in USED.get(project, {}).items() if at_once], (extra, project)


@pytest.mark.parametrize("extra", [None, *(extra for extra in EXTRAS if extra not in WORKSHOP)])
def test_everything_that_is_declared_is_imported(extra: str | None) -> None:
    names = DECLARED if extra is None else EXTRAS[extra]
    assert not names - set(USED) - set(PLUGINS)


def test_every_dependency_has_a_lowest_version_and_a_tested_one() -> None:
    pinned = {requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    for text in PROJECT["dependencies"]:
        assert ">=" in text, text
        assert requirement(text) in pinned, text


def test_the_lowest_versions_are_those_that_are_tried() -> None:
    """`make test-lowest` installs constraints-lowest.txt; of torch only the newest wheel is small enough to try."""
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    tried = {line.replace("==", ">=") for line in lines if "==" in line and not line.startswith("torch==")}
    assert tried == {text for text in PROJECT["dependencies"] if requirement(text) != "torch"}
