"""Whether numbers, names and switches among hyperparameters are of the type that the class declares."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import numbers
from typing import Any

import numpy as np

from generators.errors import HyperparameterError

_Switch = (bool, np.bool_)
#: What a declared type takes, what it does not although it could, and how it is called.
_TYPES: dict[str, tuple[Any, Any, str]] = {
    "int": (numbers.Integral, _Switch, "an integer"),
    "float": (numbers.Real, _Switch, "a number"),
    "str": (str, (), "a string"),
    "bool": (_Switch, (), "true or false"),
    "None": (type(None), (), "null"),
}


def require_scalar_types(settings: object, what: str) -> None:
    """Refuse a dataclass with a field of another type than declared, where that is made of int, float, str, bool, None.

    Raises
    ------
    HyperparameterError
        With the name of the field, its value and what it must be; `what` says whose field it is.
    """
    cls: Any = type(settings)
    for name, declared in _declared(cls):
        value = getattr(settings, name)
        if not any(isinstance(value, takes) and not isinstance(value, not_) for takes, not_, _ in declared):
            wanted = " or ".join(each for _, _, each in declared)
            raise HyperparameterError(f"{what}: {name} = {value!r} must be {wanted}.")


@functools.cache
def _declared(cls: Any) -> tuple[tuple[str, list[tuple[Any, Any, str]]], ...]:
    """Fields of the constructor that are scalar, and their types."""
    found = []
    for field in dataclasses.fields(cls):
        # Modules with postponed annotations declare by text, which needs no import of what is not scalar.
        text = field.type if isinstance(field.type, str) else inspect.formatannotation(field.type)
        parts = [part.strip() for part in text.split("|")]
        if field.init and all(part in _TYPES for part in parts):
            found.append((field.name, [_TYPES[part] for part in parts]))
    return tuple(found)
