"""A fitted generator as a folder: what its card says, and how it comes back. The folder itself is in `model_folder`."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from generators.ceiling import ceiling
from generators.errors import ArtifactError
from generators.model_folder import FolderFormat, canonical, said, sha256
from generators.registry import create, generator_class
from generators.restoring import refuse_sizes
from generators.sources import as_rows, chunks_of

FORMAT_VERSION = 1

_PACKAGES = ("cathode-hep", "torch", "numpy", "nflows", "safetensors")


@runtime_checkable
class Saveable(Protocol):
    """What a generator offers to be saved.

    After `fit` it may also have `seed_`, `data_hash_` (see `fingerprint`), `columns_` and `units_`, which the card
    records and `load` gives back.
    """

    kind: ClassVar[str]

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        ...

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything that was fitted, as named tensors."""
        ...

    def restore(self, state: dict[str, Tensor]) -> Self:
        """Take what `state` gave."""
        ...


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a saved generator is and where it comes from.

    `columns` and `units` name the last axis of an event, one entry each or none; `created` is UTC in ISO 8601.
    """

    format_version: int
    kind: str
    hyperparameters: dict[str, Any]
    event_shape: list[int]
    columns: list[str]
    units: list[str]
    seed: int | None
    versions: dict[str, str]
    data_hash: str | None
    weights_hash: str
    created: str

    def to_json(self) -> str:
        """The one text of this card, with its own hash in it."""
        return FORMAT.text(self)


def _all(kind: type, value: Any) -> bool:
    """Whether something is a list of this kind."""
    return isinstance(value, list) and all(isinstance(each, kind) for each in value)


#: The card's own hash is of the same text without it.
FORMAT = FolderFormat(
    card=Card,
    version=FORMAT_VERSION,
    types={
        "kind": lambda value: isinstance(value, str),
        "hyperparameters": lambda value: isinstance(value, dict),
        "event_shape": lambda value: _all(int, value),
        "columns": lambda value: _all(str, value),
        "units": lambda value: _all(str, value),
        "seed": lambda value: value is None or type(value) is int,
        "versions": lambda value: isinstance(value, dict),
        "data_hash": lambda value: value is None or isinstance(value, str),
        "weights_hash": lambda value: isinstance(value, str),
        "created": lambda value: isinstance(value, str),
    },
    weights_hash="weights_hash",
    card_hash="card_hash",
    hashed=canonical,
    what="a saved generator",
    remedy="Retrain it.",
    error=ArtifactError,
)


def save(generator: Saveable, folder: str | os.PathLike[str], *, columns: Sequence[str] | None = None) -> Path:
    """Write a fitted generator to `folder` and return that path; `columns` are the names of its features.

    The folder appears or is replaced as a whole: a kill at any moment leaves the old or the new one loadable, and of
    several processes that write it at once the last one wins.

    Raises
    ------
    NotFittedError
        If there is nothing to save.
    ArtifactError
        If `folder` exists and is not a saved generator; it is left as it is.
    SaveError
        If the place can not be written or is full.
    """
    return FORMAT.write(
        folder,
        lambda: _weights(generator),
        kind=generator.kind,
        hyperparameters=generator.hyperparameters(),
        event_shape=list(generator.event_shape),
        columns=list(getattr(generator, "columns_", ()) if columns is None else columns),
        units=list(getattr(generator, "units_", ())),
        seed=getattr(generator, "seed_", None),
        versions=_versions(),
        data_hash=getattr(generator, "data_hash_", None),
    )


def load(folder: str | os.PathLike[str]) -> Any:
    """The fitted generator that `save` wrote to `folder`.

    Raises
    ------
    ArtifactError
        If a file is missing, altered, not what it claims to be, or of another format version.
    UnknownKindError
        If the kind is not registered here; import the module that registers it first.
    """
    place = Path(folder).resolve()
    card, weights = FORMAT.read(place)
    generator_class(card.kind)
    try:
        generator = _restored(card, weights)
    except Exception as error:
        # Whatever a constructor makes of numbers that it never gave away.
        raise ArtifactError(
            f"{place}: no '{card.kind}' can be restored from it ({said(error)}). Retrain it."
        ) from error
    provenance = {"seed_": card.seed, "data_hash_": card.data_hash, "columns_": card.columns, "units_": card.units}
    for name, value in provenance.items():
        setattr(generator, name, value)
    return generator


def read_card(folder: str | os.PathLike[str]) -> Card:
    """The verified card of a saved generator, without loading its weights.

    Raises
    ------
    ArtifactError
        If it is missing, altered, or of another format version.
    """
    return FORMAT.read_card(folder)


def weights_hash(generator: Saveable) -> str:
    """What the card of a fitted generator says or would say of its weights."""
    return sha256(_weights(generator))


def fingerprint(*arrays: ArrayLike | None) -> str:
    """SHA-256 of types, shapes and contents of arrays; None is allowed and counts.

    >>> fingerprint([1.0, 2.0]) == fingerprint([1.0, 2.0]) != fingerprint([[1.0, 2.0]])
    True
    """
    digest = hashlib.sha256()
    for entry in arrays:
        if entry is None:
            digest.update(b"none;")
            continue
        array = as_rows(entry)
        little = np.dtype(array.dtype).newbyteorder("<")
        digest.update(f"{little.str}{tuple(array.shape)};".encode())
        # What is large is never copied as a whole.
        parts = (part for _, part in chunks_of(array)) if len(array.shape) else iter([np.asarray(array)])
        for part in parts:
            digest.update(np.ascontiguousarray(part, dtype=little).tobytes())
    return digest.hexdigest()


def _restored(card: Card, weights: bytes) -> Any:
    from safetensors.torch import load as from_bytes

    state = from_bytes(weights)
    shapes = [tensor.shape for tensor in state.values()]
    refuse_sizes(card.hyperparameters, shapes)
    with ceiling(shapes):
        generator = create({"kind": card.kind, **card.hyperparameters})
        generator.restore(state)
    if list(generator.event_shape) != card.event_shape:
        raise ArtifactError(f"its events are {generator.event_shape}, the card says {card.event_shape}")
    return generator


def _weights(generator: Saveable) -> bytes:
    from safetensors.torch import save as to_bytes

    # Clones, because safetensors refuses tensors that share memory.
    return to_bytes(
        {key: value.detach().cpu().contiguous().clone() for key, value in sorted(generator.state().items())}
    )


@cache
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
