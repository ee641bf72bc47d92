"""From YAML text to a checked `AnalysisConfig`, with errors that name file, line, path, value and remedy."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from analysis.errors import nearest
from cathode.config.analysis import AnalysisConfig
from cathode.config.components import Component, component_model
from cathode.config.messages import RENAMED, Places, message, sections
from cathode.config.quick import smaller
from cathode.config.yaml_text import parse
from cathode.errors import CathodeError, ConfigError
from generators.errors import GeneratorError

#: Analysis files that come with the package.
EMBEDDED_FILES = (
    "example",
    "demo",
    "cheap",
    "nanoaod",
    "physlite",
    "flat",
    "lhco",
    "full-phase-space",
    "showers",
)
#: Files of other verbs that come with it, and their places.
OTHER_FILES = {"benchmark": "benchmarks/methods", "scan": "scans/windows"}


def load_config(path: str | Path, overrides: Mapping[str, Any] | Sequence[str] = ()) -> AnalysisConfig:
    """Read one analysis file.

    `overrides` are `{"region.signal": [3600, 4000]}` or `["region.signal=[3600, 4000]"]`, and checked like the file.
    Relative data files start from the folder of the analysis file.

    Raises
    ------
    ConfigError
        If the file can not be read, is no YAML, or says something that the package does not understand.
    """
    path = Path(path)
    return parse_config(_text(path), name=str(path), folder=path.resolve().parent, overrides=overrides).read_from(path)


def load_run_config(path: str | Path, overrides: Mapping[str, Any] | Sequence[str] = ()) -> AnalysisConfig:
    """Read the settings that a run left in its folder, also under the names that keys had when it was made.

    Raises
    ------
    ConfigError
        As `load_config`.
    """
    path = Path(path)
    places = Places(str(path), _text(path))
    for old, new in RENAMED.items():
        _rename(places.document, old.split("."), new.split("."))
    return _checked(places, path.resolve().parent, overrides).read_from(path)


def _rename(document: Any, old: Sequence[str], new: Sequence[str]) -> None:
    """Give a key of nested sections its name of today."""
    *parents, last = old
    for key in parents:
        document = document.get(key) if isinstance(document, dict) else None
    if isinstance(document, dict) and last in document:
        document[new[-1]] = document.pop(last)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        if (path / "config.yaml").is_file():
            raise ConfigError(
                f"{path} is a run, no analysis file: name {path / 'config.yaml'}, or several runs for "
                "`cathode compare-runs`."
            ) from error
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{path}: can not be read ({reason}). `cathode config example` prints a file to start from."
        ) from error


def parse_config(
    text: str,
    *,
    name: str = "configuration",
    folder: Path | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
) -> AnalysisConfig:
    """As `load_config`, from text; `name` stands in error messages."""
    return _checked(Places(name, text), folder, overrides)


def _checked(places: Places, folder: Path | None, overrides: Mapping[str, Any] | Sequence[str]) -> AnalysisConfig:
    document = copy.deepcopy(places.document)
    for path, value in _parsed(overrides).items():
        _put(document, path, value)
        places.overridden.add(path)
    try:
        config = AnalysisConfig.model_validate(document, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError("\n".join(message(e, AnalysisConfig, places) for e in error.errors())) from error
    return complete(config, places)


def complete(config: AnalysisConfig, places: Places) -> AnalysisConfig:
    """Check the hyperparameters of every component against its class, and write out their defaults."""
    problems: list[str] = []
    document = config.model_dump(mode="json")
    for path, component in config.components().items():
        try:
            model = component_model(component.role, component.kind)
            values = model.model_validate(component.hyperparameters).model_dump(mode="json")
            _try(component.looked_at())
        except ConfigError as error:
            problems.append(f"{places(path + '.kind')}: {path}.{error}")
        except ValidationError as error:
            problems += [message(e, model, places, prefix=path) for e in error.errors()]
        except (CathodeError, GeneratorError, ValueError) as error:
            problems.append(f"{places(path)}: {path}: {error}")
        else:
            _put(document, path, {"kind": component.kind, **values})
    if not problems and config.comparison.best_states:
        from cathode.comparison.candidate import refuse_states_of_none

        try:
            candidates = [candidate.build() for candidate in config.comparison.generators]
            refuse_states_of_none(candidates, config.comparison.best_states)
        except ConfigError as error:
            problems.append(f"{places('comparison.best_states')}: comparison.{error}")
    if problems:
        raise ConfigError("\n".join(problems))
    return AnalysisConfig.model_validate(smaller(document) if config.quick else document)


def _try(built: Any) -> None:
    """Look into the settings that a part would else look into only when it is fitted."""
    unfitted = getattr(built, "unfitted_bijection", None)
    if unfitted is not None:
        unfitted()


def example() -> str:
    """A commented analysis file to start from."""
    return embedded_text("example")


def embedded_text(name: str) -> str:
    """Text of an analysis file that comes with the package, one of `EMBEDDED_FILES`.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    known = (*EMBEDDED_FILES, *OTHER_FILES)
    if name not in known:
        raise ConfigError(f"No analysis file {name!r} comes with the package. {nearest(name, known)}")
    place = OTHER_FILES.get(name, name.replace("-", "_"))
    return resources.files("cathode").joinpath("configs", f"{place}.yaml").read_text(encoding="utf-8")


def _parsed(overrides: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    if isinstance(overrides, Mapping):
        return dict(overrides)
    parsed: dict[str, Any] = {}
    for item in overrides:
        path, equals, value = item.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"--set {item!r}: expected path=value, as in region.signal='[3600, 4000]'.")
        path = path.strip()
        if path in parsed:
            raise ConfigError(f"--set {path}: given twice. Remove one.")
        parsed[path], _ = parse(value, f"--set {path}")
    return parsed


def _put(document: Any, path: str, value: Any) -> None:
    """Set the value at `path`, in which a number is a place in a list."""
    *parents, last = path.split(".")
    for depth, key in enumerate(parents, start=1):
        here = ".".join(parents[:depth])
        if isinstance(document, dict):
            document.setdefault(key, {})
        found = document[_index(document, key, path)]
        # A component may be written as its kind alone.
        if isinstance(found, str) and _COMPONENT.fullmatch(here):
            found = document[_index(document, key, path)] = {"kind": found}
        document = found
        if not isinstance(document, dict | list):
            raise ConfigError(f"--set {path}: '{here}' is a value, not a section.")
    document[_index(document, last, path)] = value


def _index(document: dict[str, Any] | list[Any], key: str, path: str) -> Any:
    if isinstance(document, dict):
        return key
    if not key.isdecimal() or int(key) >= len(document):
        raise ConfigError(f"--set {path}: {key!r} is no place in a list of {len(document)}; the first is 0.")
    return int(key)


def _component_paths(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Patterns of the paths at which a part may be written as its kind alone."""
    for name, field in model.model_fields.items():
        path = rf"{before}{name}(\.\d+)?"
        for section in sections(field.annotation):
            if issubclass(section, Component):
                yield path
            else:
                yield from _component_paths(section, rf"{path}\.")


#: A part, or what is in one: a bijection is written as its kind too.
_COMPONENT = re.compile(rf"({'|'.join(sorted(set(_component_paths(AnalysisConfig))))})(\..+)?")
