"""Examples in docstrings say the truth, and every public class has one."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import analysis
import cathode
import generators

ROOT = Path(__file__).parents[1]
PACKAGES = (analysis, cathode, generators)
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

#: Classes that only a finished run makes -> how executed code of the documentation comes to one.
MADE_BY_RUNS = {
    "GeneratorComparison": "compare_generators(",
    "Run": "open_run(",
    "Scan": "cathode.scan(",
    "SearchResult": "SearchResult.read(",
}


def modules() -> Iterator[str]:
    """Modules whose text has an example."""
    for package in PACKAGES:
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                yield ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("module", [*modules()])
def test_examples_say_the_truth(module: str) -> None:
    found = doctest.testmod(import_module(module), optionflags=OPTIONS)
    assert found.attempted > 0
    assert found.failed == 0


def public_classes() -> dict[str, type]:
    found = {name: getattr(package, name) for package in PACKAGES for name in package.__all__}
    return {name: each for name, each in found.items() if inspect.isclass(each)}


def executed_code() -> str:
    """Python of the pages and examples that tests run."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    blocks = [block for page in pages for block in page.read_text(encoding="utf-8").split("```python\n")[1:]]
    scripts = [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")]
    return "\n".join([*(block.split("```")[0] for block in blocks), *scripts])


def test_every_public_class_has_an_example() -> None:
    classes = public_classes()
    without = {name for name, each in classes.items() if ">>> " not in (inspect.getdoc(each) or "")}
    assert without == MADE_BY_RUNS.keys(), "write an example into the docstring"
    code = executed_code()
    assert [name for name, call in MADE_BY_RUNS.items() if call not in code] == []


def test_every_public_function_says_what_it_does() -> None:
    functions = {f"{p.__name__}.{n}": getattr(p, n) for p in PACKAGES for n in p.__all__}
    assert [name for name, each in functions.items() if callable(each) and not inspect.getdoc(each)] == []


def test_a_wrong_example_would_be_noticed() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    silent = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    assert silent.run(wrong, out=lambda text: None).failed == 1
