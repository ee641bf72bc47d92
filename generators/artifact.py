"""A fitted generator as a folder: `card.json` says what it is, `weights.safetensors` holds its tensors.

The card carries the SHA-256 of the weights and of itself, so a byte that changed in either is found before anything is
built from it; nothing in the folder can execute. The hashes protect against accidents and careless edits: whoever
rewrites both files with new hashes has made a new model.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from generators.errors import ArtifactError, GeneratorError
from generators.registry import create, generator_class

FORMAT_VERSION = 1
CARD = "card.json"
WEIGHTS = "weights.safetensors"

_MAX_CARD_BYTES = 1 << 20
_PACKAGES = ("cathode-hep", "torch", "numpy", "nflows", "safetensors")


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
        content = asdict(self)
        return _canonical({**content, "card_hash": _sha256(_canonical(content).encode())})


def save(generator: Saveable, folder: str | os.PathLike[str]) -> Path:
    """Write a fitted generator to `folder` and return that path.

    The folder appears or is replaced as a whole: a kill at any moment leaves the old or the new one loadable. One
    process at a time may write a folder.

    Raises
    ------
    NotFittedError
        If there is nothing to save.
    ArtifactError
        If `folder` exists and is not a saved generator; it is left as it is.
    """
    target = Path(folder).resolve()
    _refuse_foreign(target)
    weights = _weights(generator)
    card = Card(
        format_version=FORMAT_VERSION,
        kind=generator.kind,
        hyperparameters=generator.hyperparameters(),
        event_shape=list(generator.event_shape),
        columns=list(getattr(generator, "columns_", ())),
        units=list(getattr(generator, "units_", ())),
        seed=getattr(generator, "seed_", None),
        versions=_versions(),
        data_hash=getattr(generator, "data_hash_", None),
        weights_hash=_sha256(weights),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    _replace_folder(target, {CARD: card.to_json().encode(), WEIGHTS: weights})
    return target


def load(folder: str | os.PathLike[str]) -> Any:
    """The fitted generator that `save` wrote to `folder`.

    Raises
    ------
    ArtifactError
        If a file is missing, altered, not what it claims to be, or of another format version.
    UnknownKindError
        If the kind is not registered here; import the module that registers it first.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    place = _existing(folder)
    card = read_card(place)
    weights = _read(place / WEIGHTS)
    if _sha256(weights) != card.weights_hash:
        raise ArtifactError(f"{place / WEIGHTS}: the content does not match the hash in {CARD}. Restore or retrain it.")
    generator_class(card.kind)
    try:
        generator = create({"kind": card.kind, **card.hyperparameters})
        generator.restore(from_bytes(weights))
    except (SafetensorError, GeneratorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ArtifactError(f"{place}: no '{card.kind}' can be restored from it ({error}). Retrain it.") from error
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
    path = _existing(folder) / CARD
    data = _read(path, limit=_MAX_CARD_BYTES)
    try:
        content = json.loads(data)
        claimed = content.pop("card_hash")
        version = content["format_version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path}: not a model card ({error}).") from error
    if version != FORMAT_VERSION:
        raise ArtifactError(f"{path}: format version {version!r}; this release reads {FORMAT_VERSION}.")
    # Compared as text, so that even a changed blank is found.
    if data != _canonical({**content, "card_hash": _sha256(_canonical(content).encode())}).encode() or (
        content.keys() != {field.name for field in fields(Card)}
    ):
        raise ArtifactError(f"{path}: altered after it was written (hash {str(claimed)[:12]}…). Restore or retrain it.")
    return Card(**content)


def weights_hash(generator: Saveable) -> str:
    """What the card of a fitted generator says or would say of its weights."""
    return _sha256(_weights(generator))


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
        array = np.asarray(entry)
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str}{array.shape};".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()


def _weights(generator: Saveable) -> bytes:
    from safetensors.torch import save as to_bytes

    # Clones, because safetensors refuses tensors that share memory.
    return to_bytes(
        {key: value.detach().cpu().contiguous().clone() for key, value in sorted(generator.state().items())}
    )


def _canonical(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=True) + "\n"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _read(path: Path, *, limit: int | None = None) -> bytes:
    try:
        if limit is not None and path.stat().st_size > limit:
            raise ArtifactError(f"{path}: {path.stat().st_size} bytes; a model card has at most {limit}.")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: can not be read ({error.strerror}). A saved generator has this file.") from error


def _previous(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def _existing(folder: str | os.PathLike[str]) -> Path:
    """`folder`, or what it was before, if a kill hit the moment between the two renames of `_replace_folder`."""
    target = Path(folder).resolve()
    if not target.exists() and _previous(target).exists():
        return _previous(target)
    return target


def _refuse_foreign(target: Path) -> None:
    """A folder about to be replaced must hold a saved generator and nothing else."""
    if not target.exists():
        return
    if not target.is_dir():
        raise ArtifactError(f"{target} is a file; name a folder.")
    foreign = sorted({entry.name for entry in target.iterdir()} - {CARD, WEIGHTS})
    if foreign:
        raise ArtifactError(f"{target} holds '{foreign[0]}', no part of a saved generator. Name a new folder.")


def _replace_folder(target: Path, content: dict[str, bytes]) -> None:
    writing, previous = target.with_name(f".{target.name}.writing"), _previous(target)
    if writing.exists():
        shutil.rmtree(writing)
    writing.mkdir(parents=True)
    for name, data in content.items():
        with open(writing / name, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    _sync(writing)
    if target.exists():
        # Only now is the older copy dispensable: until here it may have been the one to load.
        if previous.exists():
            shutil.rmtree(previous)
        target.rename(previous)
    writing.rename(target)
    _sync(target.parent)
    if previous.exists():
        shutil.rmtree(previous)


def _sync(folder: Path) -> None:
    """Make the entries of a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
