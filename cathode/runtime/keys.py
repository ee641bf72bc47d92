"""The key of what was trained: a hash of everything that decides it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from analysis.code_version import code_version
from cathode.runtime.run_folder import versions
from cathode.runtime.specification import specification

#: Raised when the content of a key, or of a product, changes its meaning.
FORMAT = 1


class _UnknownError(Exception):
    """Something whose content can not be told."""


def product_key(stage: str, part: Any, *arrays: Any, seed: int, also: Any = None) -> str | None:
    """Hash of a stage, of a part with all that it knows, of the arrays it learns from, of its seed and of all code.

    The arrays are hashed and not how they came about, so no chain of keys has to be kept: whatever leads to the same
    training is the same product. `also` is what else decides it, in JSON types. Versions of the libraries count, and so
    does the kind of device: both decide the last bits.

    None if that can not be told: for parts of a script or of a notebook, and for those that say nothing of themselves.
    """
    from generators.artifact import fingerprint
    from generators.training.acceleration import accelerator

    if not (hasattr(part, "hyperparameters") or dataclasses.is_dataclass(part)):
        return None
    try:
        content = [
            FORMAT,
            stage,
            specification(part),
            _learned(part),
            also,
            fingerprint(*arrays),
            seed,
            code_version(_modules(part)),
            versions(),
            accelerator().type,
        ]
        text = json.dumps(content, sort_keys=True)
    except (_UnknownError, ModuleNotFoundError, TypeError, ValueError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()


def _learned(part: Any) -> Any:
    """What a part has beside its hyperparameters, such as where its networks start."""
    known = {f.name for f in dataclasses.fields(part)} if dataclasses.is_dataclass(part) else set()
    return {name: _content(value) for name, value in sorted(vars(part).items()) if name not in known}


def _content(value: Any) -> Any:
    """A value in JSON types, arrays and tensors by their hash."""
    from generators.artifact import fingerprint

    if value is None or isinstance(value, str | bool | int | float):
        return value
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if hasattr(value, "dtype") and value.dtype.kind in "biuf":
        return fingerprint(value)
    if isinstance(value, list | tuple):
        return [_content(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _content(each) for key, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        return [name, {key: _content(each) for key, each in sorted(vars(value).items())}]
    raise _UnknownError


def _modules(part: Any) -> Iterator[str]:
    """Where the class of a part comes from, and those of the parts in it."""
    if isinstance(part, list | tuple):
        for each in part:
            yield from _modules(each)
    elif isinstance(part, Mapping):
        yield from _modules(list(part.values()))
    elif type(part).__module__ != "builtins":
        yield type(part).__module__
        yield from _modules(list(getattr(part, "__dict__", {}).values()) if not hasattr(part, "dtype") else [])
