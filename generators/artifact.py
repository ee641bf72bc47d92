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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from generators.atomic import replace_folder, whole
from generators.ceiling import ceiling
from generators.errors import ArtifactError
from generators.registry import create, generator_class
from generators.restoring import refuse_sizes

FORMAT_VERSION = 1
CARD = "card.json"
WEIGHTS = "weights.safetensors"

_MAX_CARD_BYTES = 1 << 20

#: Characters of the reason in an error, and attempts to read a folder that others replace.
_SHOWN, _READS = 300, 50
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
        content = asdict(self)
        return _canonical({**content, "card_hash": _sha256(_canonical(content).encode())})


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
    target = Path(folder).resolve()
    _refuse_foreign(target)
    weights = _weights(generator)
    card = Card(
        format_version=FORMAT_VERSION,
        kind=generator.kind,
        hyperparameters=generator.hyperparameters(),
        event_shape=list(generator.event_shape),
        columns=list(getattr(generator, "columns_", ()) if columns is None else columns),
        units=list(getattr(generator, "units_", ())),
        seed=getattr(generator, "seed_", None),
        versions=_versions(),
        data_hash=getattr(generator, "data_hash_", None),
        weights_hash=_sha256(weights),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    replace_folder(target, {CARD: card.to_json().encode(), WEIGHTS: weights})
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
    place = Path(folder).resolve()
    card, weights = _consistent(place)
    generator_class(card.kind)
    try:
        generator = _restored(card, weights)
    except Exception as error:
        # Whatever a constructor makes of numbers that it never gave away.
        raise ArtifactError(
            f"{place}: no '{card.kind}' can be restored from it ({_said(error)}). Retrain it."
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
    path = whole(Path(folder).resolve()) / CARD
    data = _read(path, limit=_MAX_CARD_BYTES)
    try:
        content = json.loads(data)
        claimed = content.pop("card_hash")
        version = content["format_version"]
        canonical = _canonical({**content, "card_hash": _sha256(_canonical(content).encode())}).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path}: not a model card ({_said(error)}).") from error
    if version != FORMAT_VERSION:
        raise ArtifactError(f"{path}: format version {str(version)[:40]!r}; this release reads {FORMAT_VERSION}.")
    # Compared as text, so that even a changed blank is found.
    if data != canonical or content.keys() != {field.name for field in fields(Card)}:
        raise ArtifactError(f"{path}: altered after it was written (hash {str(claimed)[:12]}…). Restore or retrain it.")
    card = Card(**content)
    mistyped = [name for name, fits in _TYPES.items() if not fits(getattr(card, name))]
    if mistyped:
        raise ArtifactError(f"{path}: '{mistyped[0]}' of this card is of a wrong type. Restore or retrain it.")
    return card


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


def _consistent(folder: Path) -> tuple[Card, bytes]:
    """Card and weights of one moment, though another process may replace the folder between the two."""
    for left in reversed(range(_READS)):
        place = whole(folder)
        with _held(place) as unchanged:
            try:
                card, weights = read_card(place), _read(place / WEIGHTS)
                if _sha256(weights) != card.weights_hash:
                    raise ArtifactError(
                        f"{place / WEIGHTS}: the content does not match the hash in {CARD}. Restore or retrain it."
                    )
            except ArtifactError:
                if not left or unchanged():
                    raise
            else:
                break
    return card, weights


@contextmanager
def _held(folder: Path) -> Iterator[Callable[[], bool]]:
    """Whether `folder` is still the one that it was at the beginning; open, or its number could be given away."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        # It was not there at all, or another process is just replacing it.
        yield lambda: not (folder.exists() or whole(folder).exists())
        return
    try:
        yield lambda: _is(folder, handle)
    finally:
        os.close(handle)


def _is(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except OSError:
        return False


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


def _said(error: Exception) -> str:
    """What an error says, in one line of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _all(kind: type, value: Any) -> bool:
    """Whether something is a list of this kind."""
    return isinstance(value, list) and all(isinstance(each, kind) for each in value)


_TYPES: dict[str, Callable[[Any], bool]] = {
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
}


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


def _refuse_foreign(target: Path) -> None:
    """A folder about to be replaced must hold a saved generator and nothing else."""
    # One look: others may take the folder away and put it back between two.
    try:
        names = os.listdir(target)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise ArtifactError(f"{target} is a file; name a folder.") from None
    foreign = sorted(set(names) - {CARD, WEIGHTS})
    if foreign:
        raise ArtifactError(f"{target} holds '{foreign[0]}', no part of a saved generator. Name a new folder.")
