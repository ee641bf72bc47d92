"""A fitted classifier as a folder: what its card says, and its arrays; the folder itself is that of `generators`.

No library's own objects are stored, so another version of it reads the same numbers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cathode.errors import ClassifierFolderError
from generators.model_folder import WEIGHTS, FolderFormat, said
from generators.restoring import refuse_sizes

FORMAT_VERSION = 1

_PACKAGES = ("cathode-hep", "scikit-learn", "torch", "numpy")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a saved classifier is; `created` is UTC in ISO 8601."""

    format_version: int
    kind: str
    hyperparameters: dict[str, Any]
    seed: int
    versions: dict[str, str]
    created: str
    weights_sha256: str


def _compact(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, allow_nan=False)


FORMAT = FolderFormat(
    card=Card,
    version=FORMAT_VERSION,
    types={
        "kind": lambda value: isinstance(value, str),
        "hyperparameters": lambda value: isinstance(value, dict),
        "seed": lambda value: type(value) is int,
        "versions": lambda value: isinstance(value, dict),
        "created": lambda value: isinstance(value, str),
        "weights_sha256": lambda value: isinstance(value, str),
    },
    weights_hash="weights_sha256",
    card_hash="card_sha256",
    hashed=_compact,
    what="a saved classifier",
    remedy="Train it again.",
    error=ClassifierFolderError,
)


def save_folder(
    folder: str | os.PathLike[str],
    kind: str,
    hyperparameters: dict[str, Any],
    seed: int,
    arrays: Mapping[str, NDArray[Any]],
) -> Path:
    """Write a classifier; the folder appears or is replaced as a whole.

    Raises
    ------
    ClassifierFolderError
        If `folder` exists and holds something else; it is left as it is.
    SaveError
        If the place can not be written or is full.
    """
    from safetensors.numpy import save

    return FORMAT.write(
        folder,
        lambda: save({name: np.asarray(array, order="C") for name, array in sorted(arrays.items())}),
        kind=kind,
        hyperparameters=hyperparameters,
        seed=seed,
        versions={name: _version(name) for name in _PACKAGES},
    )


def read_card(folder: str | os.PathLike[str]) -> Card:
    """The verified card of a saved classifier.

    Raises
    ------
    ClassifierFolderError
        If it is missing, was altered, or is of another format version.
    """
    return FORMAT.read_card(folder)


def load_folder(folder: str | os.PathLike[str], kind: str) -> tuple[Card, Arrays]:
    """The verified card and arrays of a classifier of this kind.

    Raises
    ------
    ClassifierFolderError
        If a file is missing or altered, or the folder holds another kind.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    card, weights = FORMAT.read(folder)
    if card.kind != kind:
        raise ClassifierFolderError(
            f"{folder} holds a classifier of kind '{card.kind}', not '{kind}'. Use load_classifier."
        )
    try:
        return card, dict(load(weights))
    except SafetensorError as error:
        raise ClassifierFolderError(f"{folder}: {WEIGHTS} is not readable ({error}). {FORMAT.remedy}") from error


@contextmanager
def restoring(folder: str | os.PathLike[str], card: Card, arrays: Arrays) -> Iterator[None]:
    """Make a classifier of a card and arrays that somebody else may have written, inside of the block.

    Raises
    ------
    ClassifierFolderError
        Whatever goes wrong; at once if a hyperparameter is far larger than the arrays.
    """
    try:
        refuse_sizes(card.hyperparameters, [array.shape for array in arrays.values()])
        yield
    except Exception as error:
        # Constructors may say anything of numbers that they never gave away.
        raise ClassifierFolderError(
            f"{folder}: no '{card.kind}' can be restored from it ({said(error)}). {FORMAT.remedy}"
        ) from error


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
