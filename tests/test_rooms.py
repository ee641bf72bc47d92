"""The rooms of the house: no module imports in a circle, no room reaches back up, computation never presents."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("analysis", "generators", "cathode")

#: Rooms that present. Nothing but their own kind, and the commands that call them, may import them.
PRESENTATION = {"cathode.report", "cathode.cli", "analysis.plots"}
#: Modules that hand a finished computation to presentation, and are imported by it or by scripts alone.
CALLERS = {"cathode.commands", "cathode.running", "cathode", "cathode.__main__"}

#: Files at the top of `cathode/`: what a newcomer sees first.
AT_THE_TOP = 15


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            found[str(path.relative_to(ROOT))[:-3].replace("/", ".").removesuffix(".__init__")] = path
    return found


def names_for_type_checkers(tree: ast.Module) -> set[int]:
    return {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }


def imports() -> dict[str, set[str]]:
    """Module -> modules of ours that it imports, at its top or in a function, and those that it names in annotations.

    A façade imports what it offers for type checkers alone; that is no arrow.
    """
    known = modules()
    graph: dict[str, set[str]] = defaultdict(set)
    for name, path in known.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        skipped = names_for_type_checkers(tree) if path.name == "__init__.py" else set()
        for node in ast.walk(tree):
            if id(node) in skipped:
                continue
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    graph[name].add(inner if inner in known else node.module)
            elif isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names}
    return {name: {other for other in graph[name] if other in known and other != name} for name in known}


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for other in graph.get(todo.pop(), ()):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def room(module: str) -> str:
    """The folder of a module of `cathode`, or the module itself where it stands at the top."""
    parts = module.split(".")
    return ".".join(parts[:2])


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return imports()


def test_the_walk_sees_the_line(graph: dict[str, set[str]]) -> None:
    assert "cathode.methods.protocol" in graph["cathode.search"]
    assert "cathode.report.figures" in graph["cathode.report.page"]


def test_no_module_imports_in_a_circle(graph: dict[str, set[str]]) -> None:
    circles = {
        tuple(sorted(other for other in reached(graph, name) if name in reached(graph, other)))
        for name in graph
        if name in reached(graph, name)
    }
    assert not circles


def test_no_room_reaches_back_up(graph: dict[str, set[str]]) -> None:
    rooms: dict[str, set[str]] = defaultdict(set)
    for name, others in graph.items():
        if name.startswith("cathode."):
            rooms[room(name)] |= {room(o) for o in others if o.startswith("cathode.")} - {room(name)}
    back = {(a, b) for a, others in rooms.items() for b in others if a in reached(rooms, b)}
    assert not back


def test_computation_never_imports_presentation(graph: dict[str, set[str]]) -> None:
    found = {
        (name, other)
        for name, others in graph.items()
        for other in others
        if any(other == p or other.startswith(f"{p}.") for p in PRESENTATION)
        and name not in CALLERS
        and not any(name == p or name.startswith(f"{p}.") for p in PRESENTATION)
    }
    assert not found


def test_few_files_at_the_top_and_none_that_pytest_takes_for_a_test() -> None:
    top = [p.name for p in (ROOT / "cathode").glob("*.py") if not p.name.startswith("__")]
    assert len(top) <= AT_THE_TOP, sorted(top)
    names = [p.name for package in PACKAGES for p in (ROOT / package).rglob("*.py")]
    assert not [n for n in names if n.startswith("test_") or n.endswith("_test.py")]
