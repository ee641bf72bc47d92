"""Hyperparameters in the manners of scikit-learn: read, changed, and copied without what was learned."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Self, cast

from generators.errors import HyperparameterError
from generators.registry import nearest_names
from generators.scalar_types import require_scalar_types


class Parameters:
    """A dataclass whose fields are its hyperparameters; `sklearn.base.clone` and its grids understand it.

    >>> from generators import create
    >>> flow = create("maf").set_params(training__batch_size=128)
    >>> flow.clone().get_params()["training__batch_size"]
    128
    """

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        # Checks of a class compare its numbers: what is none is refused by name before them.
        if "__post_init__" in vars(cls):
            cls.__post_init__ = _after_types(cls.__post_init__)  # type: ignore[method-assign, assignment]

    def __post_init__(self) -> None:
        require_scalar_types(self, _name(self))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Hyperparameters by name; with `deep` also those of parts, as `training__steps`."""
        found: dict[str, Any] = {}
        for name in _names(self):
            value = found[name] = getattr(self, name)
            if deep and dataclasses.is_dataclass(value):
                found |= {f"{name}__{inner}": getattr(value, inner) for inner in _names(value)}
        return found

    def set_params(self, **parameters: Any) -> Self:
        """Change hyperparameters, checked as by the constructor; what was learned with others is forgotten.

        Raises
        ------
        HyperparameterError
            If there is none of that name.
        """
        made = _changed(self, parameters, type(self).__name__)
        # What can be done may hang on the parts, such as a density.
        self.__class__, self.__dict__ = type(made), vars(made)
        return self

    def clone(self) -> Self:
        """An unfitted one with the same hyperparameters."""
        return type(self)(**copy.deepcopy(self.get_params(deep=False)))

    def __sklearn_clone__(self) -> Self:
        return self.clone()


def _after_types(checks: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(checks)
    def checked(self: Any) -> None:
        require_scalar_types(self, _name(self))
        checks(self)

    return checked


def _name(of: Any) -> str:
    return str(getattr(of, "kind", type(of).__name__))


def _names(of: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(of) if field.init]


def _changed(old: Any, parameters: dict[str, Any], what: str) -> Any:
    """Another one like `old`, with changed parameters of itself and of its parts."""
    values = {name: getattr(old, name) for name in _names(old)}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in parameters.items():
        mine, _, rest = name.partition("__")
        if mine not in values or (rest and not dataclasses.is_dataclass(values[mine])):
            raise HyperparameterError(f"{what} has no hyperparameter '{name}'. {nearest_names(mine, values)}")
        if rest:
            inner.setdefault(mine, {})[rest] = value
        else:
            values[mine] = value
    for name, changes in inner.items():
        values[name] = _changed(values[name], changes, f"{what}.{name}")
    return cast(Any, type(old))(**values)
