"""What a weak classifier promises, and the table from the name of a kind to its class."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from analysis.errors import nearest
from cathode.errors import ClassifierFolderError, ConfigError
from cathode.runtime.specification import refuse_unknown

Array = NDArray[np.floating[Any]]

#: Told (done, total) units of a fit, from the thread that called `fit`; `done` never falls.
Monitor = Callable[[int, int], None]

_CLASSES: dict[str, str | type[Any]] = {
    "boosted_trees": "cathode.classifiers.boosted_trees:BoostedTrees",
    "mlp": "cathode.classifiers.mlp:Mlp",
    "transformer": "cathode.classifiers.transformer:Transformer",
}

_C = TypeVar("_C", bound=type)


@runtime_checkable
class WeakClassifier(Protocol):
    """Learns to tell data (y = 1) from template (y = 0).

    A dataclass: its fields are its hyperparameters, and names that end in ``_`` are learned by `fit`. Data and template
    get the same total weight, so p is that of a half-and-half mixture, whatever the size of the template.
    """

    kind: ClassVar[str]

    def fit(
        self,
        x: Array,
        y: NDArray[Any],
        *,
        weights: Array | None = None,
        seed: int,
        monitor: Monitor | None = None,
    ) -> Self:
        """Learn from x (N, *event), y (N,) of zeros and ones, and optional event weights (N,), which may be negative.

        A classifier says which shape of events it takes: features (D,), or constituents (J, P, 3).
        """
        ...

    def score(self, x: Array) -> NDArray[np.float64]:
        """Score of x (M, *event): (M,), rising with the estimated p(data | x)."""
        ...

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments that decide a result, as JSON types."""
        ...

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write what was learned to a folder, which appears or is replaced as a whole."""
        ...

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """What `save` wrote; its scores are equal bit for bit."""
        ...


@runtime_checkable
class Pretrainable(WeakClassifier, Protocol):
    """Can learn from unlabelled events before it is asked about data and template.

    A search gives it its sidebands without the strips of the strip test, and a reweighting events of the template.
    """

    def pretrained(
        self,
        x: Array,
        *,
        seed: int,
        folder: str | os.PathLike[str] | None = None,
        monitor: Monitor | None = None,
    ) -> Self:
        """A copy that has learned from x (N, *event), from where its fits start; itself, if it is not told to.

        With a `folder` what was learned is saved there, and not learned again if it is there.
        """
        ...


def register(cls: _C) -> _C:
    """Class decorator: make a classifier of one's own known under its `kind`."""
    kind = getattr(cls, "kind", None)
    if not isinstance(kind, str):
        raise TypeError(f"{cls.__qualname__} needs a class attribute `kind: ClassVar[str]`.")
    if kind in _CLASSES and _CLASSES[kind] is not cls:
        raise ValueError(f"The kind '{kind}' is taken; give {cls.__qualname__} another name.")
    _CLASSES[kind] = cls
    return cls


def kinds() -> tuple[str, ...]:
    """Every kind of classifier that is known now."""
    return tuple(_CLASSES)


def classifier_class(kind: str) -> type[Any]:
    """The class of a kind; imported when it is asked for.

    Raises
    ------
    ConfigError
        If there is none; names the nearest.
    """
    found = _CLASSES.get(kind)
    if found is None:
        raise ConfigError(f"No classifier of kind {kind!r}. {nearest(str(kind), _CLASSES)}")
    if isinstance(found, type):
        return found
    module, _, name = found.partition(":")
    cls: type[Any] = getattr(import_module(module), name)
    return cls


def create(specification: Mapping[str, Any]) -> Any:
    """An unfitted classifier from ``{"kind": …, **hyperparameters}``.

    Raises
    ------
    ConfigError
        If the kind, or a hyperparameter of it, is unknown or out of range.
    """
    values = dict(specification)
    kind = values.pop("kind", None)
    if kind is None:
        raise ConfigError(f"A classifier needs a 'kind', one of {', '.join(kinds())}; given: {sorted(values)}.")
    cls = classifier_class(kind)
    refuse_unknown(cls, values, kind)
    return cls(**values)


def load_classifier(folder: str | os.PathLike[str]) -> Any:
    """The fitted classifier that its `save` wrote to `folder`.

    Raises
    ------
    ClassifierFolderError
        If a file is missing, was altered, or is of another format or of an unknown kind.
    """
    from cathode.classifiers.storage import read_card

    kind = read_card(folder).kind
    try:
        cls = classifier_class(kind)
    except ConfigError as error:
        raise ClassifierFolderError(f"{folder}: {error} Import the module that registers it first.") from error
    return cls.load(folder)
