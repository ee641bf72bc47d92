"""What is wrong with an analysis file, said so that it can be mended: file, line, path, value, nearest key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from analysis.errors import nearest
from cathode.config.yaml_text import parse
from cathode.errors import ConfigError

#: Names of alternatives in the models, which are no part of a path.
ONE, SEVERAL = "(one)", "(several)"

#: Keys that have another name now -> that name.
RENAMED = {
    "selection": "comparison",
    "selection.strips": "comparison.validation_regions",
    "comparison.strips": "comparison.validation_regions",
    "validation.strip_fraction": "validation.region_fraction",
}

#: Characters of a wrong value in a message.
_SHOWN = 200


class Places:
    """The parsed document and the line of every path in it."""

    def __init__(self, name: str, text: str):
        self.name = name
        self.overridden: set[str] = set()
        self.document, node = parse(text, name)
        if not isinstance(self.document, dict):
            raise ConfigError(
                f"{name}: expected sections 'data:' and 'region:', found {type(self.document).__name__}. "
                "`cathode config example` prints a file to start from."
            )
        self._lines: dict[str, int] = {}
        self._walk(node, "")

    def _walk(self, node: yaml.Node | None, path: str) -> None:
        if isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._lines[f"{path}.{index}"] = value.start_mark.line + 1
                self._walk(value, f"{path}.{index}")
        if not isinstance(node, yaml.MappingNode):
            return
        for key, value in node.value:
            here = f"{path}.{key.value}" if path else str(key.value)
            self._lines[here] = key.start_mark.line + 1
            self._walk(value, here)

    def __call__(self, path: str) -> str:
        """Where `path`, or the innermost section around it, stands."""
        if any(f"{override}.".startswith(f"{path}.") for override in self.overridden):
            return "--set"
        parts = path.split(".")
        for end in range(len(parts), 0, -1):
            section = ".".join(parts[:end])
            if section in self.overridden:
                return "--set"
            if section in self._lines:
                return f"{self.name}, line {self._lines[section]}"
        return self.name


def message(error: Any, model: type[BaseModel], places: Places, *, prefix: str = "") -> str:
    """One line for one error of pydantic."""
    inner = tuple(str(part) for part in error["loc"] if part not in (ONE, SEVERAL))
    path = ".".join((prefix, *inner) if prefix else inner)
    place = places(path)
    shown = _shortened(repr(error["input"]))
    if error["type"] == "extra_forbidden" and path in RENAMED:
        inside = ", and ".join(
            f"its {old.removeprefix(path + '.')} {new.removeprefix(RENAMED[path] + '.')}"
            for old, new in RENAMED.items()
            if old.startswith(f"{path}.")
        )
        return f"{place}: {path} is called {RENAMED[path]} now{inside and f', and {inside}'}. Rename it."
    if error["type"] == "extra_forbidden":
        return f"{place}: {path}: unknown key (value {shown}). {nearest(inner[-1], _known(model, inner[:-1]))}"
    if error["type"] == "missing":
        return f"{place}: {path} is missing."
    text = error["msg"].removeprefix("Value error, ")
    return f"{place}: {path}: {text} (value {shown})."


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _known(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    """Keys of the section at `path`."""
    for name in path:
        annotation = model.model_fields[name].annotation if name in model.model_fields else None
        model = next(sections(annotation), model)
    return list(model.model_fields)


def sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Sections that a value of this type may consist of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from sections(inner)
