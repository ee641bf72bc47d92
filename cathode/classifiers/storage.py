"""A fitted classifier as a folder: `card.json` says what it is, `weights.safetensors` holds its arrays.

Both are covered by SHA-256, so a byte that changed is found before anything is built from them; nothing in the folder
can execute, and no library's own objects are stored, so another version of it reads the same numbers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cathode.errors import ClassifierFolderError
from generators.atomic import replace_folder, whole
from generators.restoring import refuse_sizes

FORMAT_VERSION = 1
CARD = "card.json"
WEIGHTS = "weights.safetensors"

_MAX_CARD_BYTES = 1 << 20
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
    OutputError
        If the place can not be written or is full.
    """
    from safetensors.numpy import save

    target = Path(folder).resolve()
    _refuse_foreign(target)
    weights = save({name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())})
    card = Card(
        format_version=FORMAT_VERSION,
        kind=kind,
        hyperparameters=hyperparameters,
        seed=seed,
        versions={name: _version(name) for name in _PACKAGES},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    replace_folder(target, {WEIGHTS: weights, CARD: _text(card).encode()})
    return target


def read_card(folder: str | os.PathLike[str]) -> Card:
    """The verified card of a saved classifier.

    Raises
    ------
    ClassifierFolderError
        If it is missing, was altered, or is of another format version.
    """
    path = whole(Path(folder).resolve()) / CARD
    data = _read(path, _MAX_CARD_BYTES)
    try:
        content = json.loads(data)
        version = content["format_version"]
        card = Card(**{name: content[name] for name in (field.name for field in fields(Card))})
        text = _text(card)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ClassifierFolderError(f"{path}: not the card of a classifier ({error!r}). Train it again.") from error
    if version != FORMAT_VERSION:
        raise ClassifierFolderError(f"{path}: format version {version!r}; this release reads {FORMAT_VERSION}.")
    # Compared as text, so that even a changed blank or an added key is found.
    if text.encode() != data:
        raise ClassifierFolderError(f"{path}: altered after it was written. Restore it or train again.")
    if not (
        isinstance(card.kind, str)
        and isinstance(card.hyperparameters, dict)
        and type(card.seed) is int
        and isinstance(card.weights_sha256, str)
    ):
        raise ClassifierFolderError(f"{path}: an entry of this card is of a wrong type. Restore it or train again.")
    return card


def load_folder(folder: str | os.PathLike[str], kind: str) -> tuple[Card, Arrays]:
    """The verified card and arrays of a classifier of this kind.

    Raises
    ------
    ClassifierFolderError
        If a file is missing or altered, or the folder holds another kind.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    card = read_card(folder)
    if card.kind != kind:
        raise ClassifierFolderError(
            f"{folder} holds a classifier of kind '{card.kind}', not '{kind}'. Use load_classifier."
        )
    path = whole(Path(folder).resolve()) / WEIGHTS
    weights = _read(path)
    if hashlib.sha256(weights).hexdigest() != card.weights_sha256:
        raise ClassifierFolderError(
            f"{path}: the content does not match the hash in {CARD}. Restore it or train again."
        )
    try:
        return card, dict(load(weights))
    except SafetensorError as error:
        raise ClassifierFolderError(f"{path}: not readable ({error}). Train it again.") from error


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
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise ClassifierFolderError(
            f"{folder}: no '{card.kind}' can be restored from it ({said}). Train it again."
        ) from error


def _text(card: Card) -> str:
    """The one text of a card, with its own hash in it."""
    content = json.dumps(asdict(card), sort_keys=True, allow_nan=False)
    signed = {**asdict(card), "card_sha256": hashlib.sha256(content.encode()).hexdigest()}
    return json.dumps(signed, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _read(path: Path, limit: int | None = None) -> bytes:
    try:
        if limit is not None and path.stat().st_size > limit:
            raise ClassifierFolderError(f"{path}: {path.stat().st_size} bytes; a card has at most {limit}.")
        return path.read_bytes()
    except OSError as error:
        raise ClassifierFolderError(
            f"{path}: can not be read ({error.strerror}); a saved classifier has this file. Train it again."
        ) from error


def _refuse_foreign(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise ClassifierFolderError(f"{target} is a file; name a folder.")
    foreign = sorted({entry.name for entry in target.iterdir()} - {CARD, WEIGHTS})
    if foreign:
        raise ClassifierFolderError(f"{target} holds '{foreign[0]}', no part of a classifier. Name a new folder.")
