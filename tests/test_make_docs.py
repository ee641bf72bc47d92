"""The references of the documentation name everything that the code has; `make docs` builds the site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cathode
from cathode.config import AnalysisConfig
from cathode.config.data import DataConfig
from generators.registry import kinds as generator_kinds
from tools import make_docs
from tools.run_tutorials import TUTORIALS, page_of

ROOT = Path(__file__).parents[1]


def test_every_key_is_in_the_reference() -> None:
    text = make_docs.configuration()
    for name in (*AnalysisConfig.model_fields, *DataConfig.model_fields):
        assert f"| `{name}` |" in text
    for section in ("data.constituents", "template.reweighting", "validation"):
        assert f"## {section}\n" in text
    assert "| `folds` | `int` | `5` |" in text
    assert [line for line in text.splitlines() if line.startswith("| `") and line.endswith("|  |")] == []
    assert "None" not in text


def test_every_kind_every_name_and_every_verb_is_in_the_references() -> None:
    text = make_docs.kinds()
    assert [kind for kind in generator_kinds() if f"### generator: {kind}\n" not in text] == []
    python = make_docs.python()
    assert [name for name in cathode.__all__ if f"### cathode.{name}\n" not in python] == []
    commands = make_docs.commands()
    for verb in ("run", "cite", "config example", "data fetch"):
        assert f"## cathode {verb}\n" in commands


def test_contents_name_every_page_once() -> None:
    listed = [page for pages in make_docs.CONTENTS.values() for page in pages]
    assert len(set(listed)) == len(listed)
    tutorials = [str(page_of(name).relative_to(ROOT / "docs").with_suffix("")) for name in TUTORIALS]
    assert make_docs.CONTENTS["Tutorials"] == tutorials
    text = make_docs.index()
    assert [path.stem for path in (ROOT / "docs").rglob("*.md") if text.count(path.stem) < 1] == []


@pytest.mark.parametrize("workflow", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_workflows_call_what_the_makefile_has(workflow: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"run: make ([\w-]+)", workflow.read_text(encoding="utf-8"))
    assert targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_recipe_asks_for_what_the_package_declares() -> None:
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    recipe = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    renamed = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    for text in declared:
        name, version = re.fullmatch(r"([\w-]+)(.*)", text).groups()  # type: ignore[union-attr]
        assert f"    - {renamed.get(name, name).lower()} {version}\n" in recipe
