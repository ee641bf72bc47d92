"""What a weak classifier promises, and the table from the name of a kind to its class."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cathode.errors import ClassifierFolderError, ConfigError
from cathode.registry import CLASSIFIERS

Array = NDArray[np.floating[Any]]

#: Told (done, total) units of a fit, from the thread that called `fit`; `done` never falls.
Monitor = Callable[[int, int], None]


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

    A search gives it its sidebands without the validation regions, and a reweighting events of the template.
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


register = CLASSIFIERS.register
kinds = CLASSIFIERS.kinds
classifier_class = CLASSIFIERS.resolve
create = CLASSIFIERS.create


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
