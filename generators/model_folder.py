"""A model as a folder: `card.json` says what it is, `weights.safetensors` holds its numbers.

The card carries the SHA-256 of the weights and of itself, so a byte that changed in either is found before anything is
built from it; nothing in the folder can execute. The hashes protect against accidents and careless edits: whoever
rewrites both files with new hashes has made a new model. What stands in a card beside that, a `FolderFormat` says.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import Field, asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from generators.atomic import replace_folder, whole

CARD = "card.json"
WEIGHTS = "weights.safetensors"

_MAX_CARD_BYTES = 1 << 20

#: Characters of the reason in an error, and attempts to read a folder that others replace.
_SHOWN, _READS = 300, 50
#: Seconds until the next look where there is nothing, which is longer than a rename takes.
_PAUSE = 1e-3


class AnyCard(Protocol):
    """A dataclass whose fields are the entries of a card."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


C = TypeVar("C", bound=AnyCard)


@dataclass(frozen=True, kw_only=True)
class FolderFormat(Generic[C]):
    """The folders of one sort of model.

    Attributes
    ----------
    card : dataclass of the entries; it has `format_version`, `created` and the hash of the weights.
    version : what `format_version` is.
    types : name of an entry -> whether a value may stand there.
    weights_hash, card_hash : keys of the SHA-256 of the weights, and of the card's own.
    hashed : the text of all entries of which the latter is.
    what, remedy, error : how messages call such a model, what to do about a broken one, and what is raised.
    """

    card: type[C]
    version: int
    types: Mapping[str, Callable[[Any], bool]]
    weights_hash: str
    card_hash: str
    hashed: Callable[[dict[str, Any]], str]
    what: str
    remedy: str
    error: type[Exception]

    def write(self, folder: str | os.PathLike[str], weights: Callable[[], bytes], **entries: Any) -> Path:
        """Write a model whose card has these entries; the folder appears or is replaced as a whole.

        A kill at any moment leaves the old or the new one loadable, and of several processes that write it at once the
        last one wins. The weights are asked for when it is known that the folder may be written.

        Raises
        ------
        error
            If the folder exists and holds something else; it is left as it is.
        SaveError
            If the place can not be written or is full.
        """
        target = Path(folder).resolve()
        self._refuse_foreign(target)
        data = weights()
        stamped = {"format_version": self.version, "created": datetime.now(UTC).isoformat(timespec="seconds")}
        card = self.card(**stamped, **{self.weights_hash: sha256(data)}, **entries)
        replace_folder(target, {CARD: self.text(card).encode(), WEIGHTS: data})
        return target

    def text(self, card: C) -> str:
        """The one text of a card, with its own hash in it."""
        return self._signed(asdict(card))

    def read_card(self, folder: str | os.PathLike[str]) -> C:
        """The verified card of a model, without its weights.

        Raises
        ------
        error
            If it is missing, altered, or of another format version.
        """
        path = whole(Path(folder).resolve()) / CARD
        data = self._read(path, limit=_MAX_CARD_BYTES)
        try:
            content = json.loads(data)
            claimed = content.pop(self.card_hash)
            version = content["format_version"]
            text = self._signed(content)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self.error(f"{path}: not the card of {self.what} ({said(error)}). {self.remedy}") from error
        if version != self.version:
            raise self.error(f"{path}: format version {str(version)[:40]!r}; this release reads {self.version}.")
        # Compared as text, so that even a changed blank is found.
        if data != text.encode() or content.keys() != {field.name for field in fields(self.card)}:
            raise self.error(
                f"{path}: altered after it was written (hash {str(claimed)[:12]}…). Restore it. {self.remedy}"
            )
        card = self.card(**content)
        mistyped = [name for name, fits in self.types.items() if not fits(getattr(card, name))]
        if mistyped:
            raise self.error(f"{path}: '{mistyped[0]}' of this card is of a wrong type. Restore it. {self.remedy}")
        return card

    def read(self, folder: str | os.PathLike[str]) -> tuple[C, bytes]:
        """Verified card and weights of one moment, though another process may replace the folder between the two.

        Raises
        ------
        error
            If one is missing, altered, or of another format version.
        """
        place = Path(folder).resolve()
        for left in reversed(range(_READS)):
            now = whole(place)
            with _held(now) as unchanged:
                try:
                    return self._both(now)
                except self.error:
                    # Of several writers one may have taken the old model away before another one puts its own there.
                    nothing = not whole(place).exists()
                    # What was there before may be gone because what is new has taken its place.
                    if not left or (not nothing and unchanged() and whole(place) == now):
                        raise
                    if nothing:
                        time.sleep(_PAUSE)
        raise AssertionError("the last attempt returns or raises")

    def _both(self, folder: Path) -> tuple[C, bytes]:
        card, weights = self.read_card(folder), self._read(folder / WEIGHTS)
        if sha256(weights) != getattr(card, self.weights_hash):
            raise self.error(
                f"{folder / WEIGHTS}: the content does not match the hash in {CARD}. Restore it. {self.remedy}"
            )
        return card, weights

    def _signed(self, content: dict[str, Any]) -> str:
        return canonical({**content, self.card_hash: sha256(self.hashed(content).encode())})

    def _read(self, path: Path, *, limit: int | None = None) -> bytes:
        try:
            if limit is not None and path.stat().st_size > limit:
                raise self.error(f"{path}: {path.stat().st_size} bytes; a card has at most {limit}.")
            return path.read_bytes()
        except OSError as error:
            raise self.error(
                f"{path}: can not be read ({error.strerror}). The folder of {self.what} has this file. {self.remedy}"
            ) from error

    def _refuse_foreign(self, target: Path) -> None:
        """A folder about to be replaced must hold such a model and nothing else."""
        # One look: others may take the folder away and put it back between two.
        try:
            names = os.listdir(target)
        except FileNotFoundError:
            return
        except NotADirectoryError:
            raise self.error(f"{target} is a file; name a folder.") from None
        foreign = sorted(set(names) - {CARD, WEIGHTS})
        if foreign:
            raise self.error(f"{target} holds '{foreign[0]}', no part of {self.what}. Name a new folder.")


def canonical(content: dict[str, Any]) -> str:
    """The one JSON text of a card."""
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=True) + "\n"


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def said(error: Exception) -> str:
    """What an error says, in one line of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


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
