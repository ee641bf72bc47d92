"""What the classifier sees of an event: the one function that data and template go through alike."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from analysis.errors import nearest
from analysis.events import Events, FloatArray
from cathode.errors import ConfigError
from cathode.runtime.specification import refuse_unknown

_C = TypeVar("_C", bound=type)


class Drawn(Protocol):
    """A dataclass with generated events x (T, *event)."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def x(self) -> FloatArray:
        """Events (T, *event)."""
        ...


_D = TypeVar("_D", bound=Drawn)

_CLASSES: dict[str, type[Any]] = {}


class Observables(ABC):
    """Computes observables of events; a frozen dataclass whose fields are its hyperparameters.

    A new one fills `names` and `compute`, and enters with `@register`. Rows stay what they are: one per event, and
    nothing of an event depends on another.
    """

    kind: ClassVar[str]

    @abstractmethod
    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the observables of events that were read with these columns."""

    @abstractmethod
    def compute(self, x: FloatArray) -> FloatArray:
        """Observables (N, *observables) of events x (N, *event)."""

    def of_events(self, events: Events) -> Events:
        """The same events with their observables as features."""
        return dataclasses.replace(events, x=self.compute(events.x), columns=self.names(events.columns))

    def of_template(self, template: _D) -> _D:
        """The same template with its observables as features."""
        return dataclasses.replace(template, x=np.asarray(self.compute(template.x), np.float32))


def register(cls: _C) -> _C:
    """Class decorator: make observables of one's own known under their `kind`."""
    kind = getattr(cls, "kind", None)
    if not isinstance(kind, str):
        raise TypeError(f"{cls.__qualname__} needs a class attribute `kind: ClassVar[str]`.")
    if kind in _CLASSES and _CLASSES[kind].__qualname__ != cls.__qualname__:
        raise ValueError(f"The kind '{kind}' is taken; give {cls.__qualname__} another name.")
    _CLASSES[kind] = cls
    return cls


@register
@dataclass(frozen=True)
class AsRead(Observables):
    """What was read: feature vectors, or constituents for a classifier of constituents."""

    kind: ClassVar[str] = "as_read"

    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """See `Observables`."""
        return columns

    def compute(self, x: FloatArray) -> FloatArray:
        """See `Observables`."""
        return x


@register
@dataclass(frozen=True)
class DijetSubstructure(Observables):
    """Masses, N-subjettiness and more of two jets from their constituents: `analysis.features.substructure`.

    `columns` are some of its names, by default all.
    """

    kind: ClassVar[str] = "dijet_substructure"

    columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        from analysis.features.substructure import DIJET_SUBSTRUCTURE

        if self.columns is not None:
            object.__setattr__(self, "columns", tuple(self.columns))
        for name in self.columns or ():
            if name not in DIJET_SUBSTRUCTURE:
                raise ConfigError(f"dijet_substructure has no '{name}'. {nearest(name, DIJET_SUBSTRUCTURE)}")

    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """See `Observables`."""
        from analysis.features.substructure import DIJET_SUBSTRUCTURE

        return DIJET_SUBSTRUCTURE if self.columns is None else self.columns

    def compute(self, x: FloatArray) -> FloatArray:
        """See `Observables`."""
        from analysis.features.substructure import DIJET_SUBSTRUCTURE, dijet_substructure

        wanted = [DIJET_SUBSTRUCTURE.index(name) for name in self.names(())]
        return dijet_substructure(x)[:, wanted]


def drawable(x: FloatArray) -> Observables | None:
    """What can be drawn of events x: feature vectors as they are, substructure of two jets, of other events nothing."""
    if x.ndim == 2:
        return AsRead()
    return DijetSubstructure() if x.ndim == 4 and (x.shape[1], x.shape[3]) == (2, 3) else None


def kinds() -> tuple[str, ...]:
    """Every kind of observables that is known now."""
    return tuple(_CLASSES)


def observables_class(kind: object) -> type[Any]:
    """The class of a kind.

    Raises
    ------
    ConfigError
        If there is none; names the nearest.
    """
    if not isinstance(kind, str) or kind not in _CLASSES:
        raise ConfigError(f"No observables of kind {kind!r}. {nearest(str(kind), _CLASSES)}")
    return _CLASSES[kind]


def create(specification: Mapping[str, Any]) -> Observables:
    """Observables from ``{"kind": …, **hyperparameters}``.

    Raises
    ------
    ConfigError
        If the kind, or a hyperparameter of it, is unknown or out of range.
    """
    values = dict(specification)
    kind = values.pop("kind", None)
    made = observables_class(kind)
    refuse_unknown(made, values, str(kind))
    created: Observables = made(**values)
    return created
