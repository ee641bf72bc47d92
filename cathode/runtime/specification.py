"""Exchangeable parts in words: what decides a result, and a short name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from analysis.errors import nearest
from cathode.errors import ConfigError


def specification(part: Any) -> dict[str, Any]:
    """Kind and hyperparameters of a generator, a classifier or a mass model.

    A part that reads files which its hyperparameters name has a method `files` that gives their SHA-256 by name: a path
    alone does not decide a result.
    """
    kind = getattr(part, "kind", f"{type(part).__module__}.{type(part).__qualname__}")
    files = part.files() if hasattr(part, "files") else {}
    found = {"kind": kind, **({"files": files} if files else {})}
    if hasattr(part, "hyperparameters"):
        return {**found, **part.hyperparameters()}
    if not dataclasses.is_dataclass(part):
        return found
    return {**found, **{f.name: _plain(getattr(part, f.name)) for f in dataclasses.fields(part) if f.init}}


def _plain(value: Any) -> Any:
    """A hyperparameter in JSON types; one that is a part, by its own specification."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | int | float | dict):
        return value
    if dataclasses.is_dataclass(value) and not (hasattr(value, "kind") or hasattr(value, "hyperparameters")):
        return dataclasses.asdict(value)  # type: ignore[arg-type]
    return specification(value)


def refuse_unknown(cls: type, values: Mapping[str, Any], name: str) -> None:
    """Check that a dataclass takes hyperparameters of these names.

    Raises
    ------
    ConfigError
        If it does not; says which is nearest. `name` is what the dataclass is called in it.
    """
    known = [field.name for field in dataclasses.fields(cls) if field.init]
    for value in values:
        if value not in known:
            raise ConfigError(f"{name} has no hyperparameter '{value}'. {nearest(str(value), known)}")


def label(part: Any) -> str:
    """The kind, and in brackets what differs from its defaults: "flow_matching (training.steps 1200)"."""
    mine = specification(part)
    kind, _ = mine.pop("kind"), mine.pop("files", None)
    try:
        defaults = specification(type(part)())
    except TypeError:  # something has no default
        defaults = {}
    usual = dict(_leaves(defaults))
    changes = [
        f"{path} {value['kind'] if isinstance(value, Mapping) else value}"
        for path, value in _leaves(mine)
        if path not in usual or usual[path] != value
    ]
    return f"{kind} ({', '.join(changes)})" if changes else str(kind)


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, Mapping) and "kind" not in value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
