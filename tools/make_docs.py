"""The documentation as a site: pages of `docs/`, and references that are made from the code.

    python tools/make_docs.py build/docs

Every key of an analysis file comes from the models that check it, every kind from its dataclass, every public name from
its docstring. Warnings of the builder are errors.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from cathode.config import AnalysisConfig
from cathode.config.components import Component
from cathode.config.messages import sections
from cathode.registry import ROLES
from generators.registry import BIJECTIONS

ROOT = Path(__file__).parents[1]

#: Captions of the contents -> pages, in their order.
CONTENTS = {
    "Start": ["newcomer", "getting-started", "faq", "glossary"],
    "Tutorials": [
        "tutorials/search", "tutorials/own-data", "tutorials/template-quality", "tutorials/methods-compared",
        "tutorials/scan-and-limit", "tutorials/full-phase-space", "tutorials/showers",
    ],
    "Guides": [
        "generators", "methods", "choosing-a-density", "choosing-a-template", "full-phase-space", "showers",
        "pixels", "studies", "validating", "calibration", "statistics", "scanning", "scaling-out", "extending",
        "gallery", "peers",
    ],
    "Reference": ["reference/configuration", "reference/kinds", "reference/python", "reference/commands", "changes"],
}  # fmt: skip


def configuration() -> str:
    """Every key of an analysis file: type, default, what it says."""
    lines = ["# Keys of an analysis file", "", "What is not listed is refused, and the nearest key is named.", ""]

    def section(model: type[BaseModel], path: str) -> Iterator[str]:
        yield f"## {path or 'At the top'}"
        yield ""
        yield _cell(inspect.getdoc(model) or "")
        yield ""
        yield "| key | type | default | what |"
        yield "|---|---|---|---|"
        inner: list[tuple[type[BaseModel], str]] = []
        for name, field in model.model_fields.items():
            default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
            yield f"| `{name}` | {_type(field.annotation)} | {default} | {_cell(field.description or '')} |"
            inner += [(each, f"{path}.{name}".strip(".")) for each in sections(field.annotation)]
        yield ""
        for each, where in inner:
            if not issubclass(each, Component):
                yield from section(each, where)

    return "\n".join([*lines, *section(AnalysisConfig, "")])


def kinds() -> str:
    """Every kind of every part, with its hyperparameters and their defaults."""
    lines = ["# Kinds of parts", "", '`kind:` in an analysis file, and `create("kind")` in Python.', ""]
    for role, table in {**ROLES, "bijection": BIJECTIONS}.items():
        lines += [f"## {role.replace('_', ' ')}", ""]
        for kind in sorted(table.kinds()):
            cls = table.resolve(kind)
            lines += [f"### {role.replace('_', ' ')}: {kind}", "", *_text(inspect.getdoc(cls) or "")]
            fields = [field for field in dataclasses.fields(cls) if field.init] if dataclasses.is_dataclass(cls) else []
            if fields:
                lines += ["", "| hyperparameter | default |", "|---|---|"]
                lines += [f"| `{field.name}` | {_field(field)} |" for field in fields]
            lines.append("")
    return "\n".join(lines)


def python() -> str:
    """Public names of the three packages, with their signatures and docstrings."""
    lines = ["# Python", ""]
    for package in ("cathode", "analysis", "generators"):
        module = import_module(package)
        lines += [f"## {package}", "", *_text(inspect.getdoc(module) or ""), ""]
        for name in sorted(module.__all__):
            found = getattr(module, name)
            lines += [f"### {package}.{name}", ""]
            if callable(found):
                lines += _text(f"{name}{_signature(found)}", "python")
            lines += _text(inspect.getdoc(found) or "" if callable(found) else repr(found))
            if inspect.isclass(found):
                lines += list(_methods(found))
            lines.append("")
    return "\n".join(lines)


def commands() -> str:
    """Help of every verb."""
    import typer

    from cathode.cli.app import app

    lines = ["# Commands", ""]

    def verbs(command: Any, path: str) -> Iterator[str]:
        inner = getattr(command, "commands", None)
        if inner:
            for name, each in inner.items():
                if not each.hidden:
                    yield from verbs(each, f"{path} {name}")
            return
        yield f"## {path}"
        yield ""
        yield _cell(command.help or "")
        yield ""
        yield "| option | what |"
        yield "|---|---|"
        for each in command.params:
            yield f"| `{', '.join(each.opts)}` | {_cell(getattr(each, 'help', '') or '')} |"
        yield ""

    return "\n".join([*lines, *verbs(typer.main.get_command(app), "cathode")])


def _methods(cls: type[Any]) -> Iterator[str]:
    for name, member in vars(cls).items():
        function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if not name.startswith("_") and inspect.isfunction(function) and function.__doc__:
            yield f"`{name}{_signature(function)}`"
            yield ""
            yield from _text(inspect.getdoc(function) or "")


def _signature(of: Any) -> str:
    try:
        return str(inspect.signature(of))
    except ValueError:
        return "(…)"


def _text(text: str, language: str = "text") -> list[str]:
    """A docstring as it is written: its columns are aligned by hand."""
    return [f"```{language}", text, "```", ""] if text else []


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;")


def _type(annotation: Any) -> str:
    inner = list(sections(annotation))
    if inner:
        return "part" if all(issubclass(each, Component) for each in inner) else "section"
    text = annotation.__name__ if inspect.isclass(annotation) and not get_args(annotation) else str(annotation)
    while (
        shorter := re.sub(r"(?:typing\.)?Annotated\[([^\[\],]+)(?:, [^\[\]]*(?:\[[^\[\]]*\])?[^\[\]]*)\]", r"\1", text)
    ) != text:
        text = shorter
    text = (
        text.replace("typing.", "").replace("Optional", "null or ").replace("None", "null").replace("NoneType", "null")
    )
    return f"`{_cell(text)}`" if len(text) < 60 else "see what it says"


def _default(value: Any) -> str:
    if isinstance(value, Component):
        return f"`{value.kind}`"
    plain = list(value) if isinstance(value, tuple) else value
    return (
        "as below" if isinstance(value, BaseModel) else f"`{_cell(json.dumps(plain, ensure_ascii=False, default=str))}`"
    )


def _field(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return _default(field.default)
    return "required" if field.default_factory is dataclasses.MISSING else f"`{_cell(repr(field.default_factory()))}`"


def index() -> str:
    """The first page, with all contents."""
    found = [f"# cathode-hep\n\n{_INTRODUCTION}"]
    known = {page for pages in CONTENTS.values() for page in pages}
    others = [path.stem for path in sorted((ROOT / "docs").glob("*.md")) if path.stem not in known]
    others += [f"benchmarks/{path.stem}" for path in sorted((ROOT / "docs" / "benchmarks").glob("*.md"))]
    for caption, pages in {**CONTENTS, "More": others}.items():
        found.append("\n".join(["```{toctree}", f":caption: {caption}", ":maxdepth: 1", "", *pages, "```"]))
    decisions = sorted(f"decisions/{path.stem}" for path in (ROOT / "docs" / "decisions").glob("*.md"))
    found.append("\n".join(["```{toctree}", ":caption: Decisions", ":maxdepth: 1", "", *decisions, "```"]))
    return "\n\n".join(found) + "\n"


_INTRODUCTION = (
    "Resonant anomaly detection with generative background templates: from ROOT ntuples to a p-value.\n\n"
    "```console\n$ pip install cathode-hep\n$ cathode demo\n$ cathode config example > analysis.yaml\n"
    "$ cathode run analysis.yaml --quick\n```"
)


def main() -> None:
    """Write the sources and call the builder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder of the site")
    output = parser.parse_args().output
    source = output.with_name(f"{output.name}-source")
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source)
    shutil.copy(ROOT / "CHANGELOG.md", source / "changes.md")
    (source / "reference").mkdir()
    made = {"reference/configuration": configuration, "reference/kinds": kinds, "reference/python": python}
    for name, write in {**made, "reference/commands": commands, "index": index}.items():
        (source / f"{name}.md").write_text(write(), encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(source), str(output)]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
