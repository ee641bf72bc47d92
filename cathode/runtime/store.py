"""Products shared by runs: what was trained once is not trained again, whichever folder it is wanted in."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.atomic import is_abandoned, temporary_prefix
from cathode.errors import StoreError

ENTRY, PRODUCT = "entry.json", "product"
#: Says of a folder that it is a store.
MARK = "cathode-store.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A product in a store.

    `created` and `used` are seconds since 1970, `runs` the folders that have it on the same disk: copies elsewhere are
    not known.
    """

    key: str
    stage: str
    kind: str
    created: float
    used: float
    bytes: int
    runs: int


@dataclass(frozen=True)
class Store:
    """A folder of products by key; several processes may use it at once, and of two equal products the first stays.

    A product is one file or a folder of files. It comes from a run folder into the store, and from there into
    others, by hard links, or as a copy on another disk: a run folder is complete by itself, whatever becomes of the
    store. What is wrong with a store never ends a run: then things are trained, as without one.
    """

    root: Path

    @classmethod
    def at(cls, root: Path | str) -> Store:
        """The store in a folder, which is made when something is put there.

        Raises
        ------
        StoreError
            If the folder holds something else.
        """
        path = Path(root).expanduser().absolute()
        if path.exists() and (not path.is_dir() or (any(path.iterdir()) and not (path / MARK).is_file())):
            raise StoreError(f"{path} holds something else than a store of products. Name a new or an empty folder.")
        return cls(path)

    @classmethod
    def beside(cls, run: Path, name: Path | str) -> Store:
        """The store of a run in a folder; a relative `name` begins where the run folder lies.

        Raises
        ------
        StoreError
            As `at`, or if it would lie in the run folder, with which it would be lost.
        """
        found = cls.at(Path(os.path.realpath(run)).parent / Path(name).expanduser())
        if Path(os.path.realpath(run)) in (found.root, *Path(os.path.realpath(found.root)).parents):
            raise StoreError(f"The store {found.root} would lie in the run folder {run}. Name another place.")
        return found

    def fetch(self, key: str, place: Path) -> bool:
        """Put a product where a run wants it, if it is here and whole; whether it is."""
        entry = self.root / key
        try:
            listed = json.loads((entry / ENTRY).read_text(encoding="utf-8"))
            if _hashes(entry / PRODUCT) != listed["sha256"]:
                logger.warning("%s was altered; it is made again.", entry)
                _discard(entry)
                return False
            _linked(entry / PRODUCT, place)
            # A store of somebody else may be read only.
            with suppress(OSError):
                os.utime(entry / ENTRY)
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s can not be used (%s); it is made again.", entry, error)
            return False
        return True

    def share(self, key: str, product: Path, *, stage: str, kind: str) -> None:
        """Take a product into the store, unless it is there."""
        try:
            self._open()
            with self._writing(key) as writing:
                _linked(product, writing / PRODUCT)
                content = {"stage": stage, "kind": kind, "created": time.time(), "sha256": _hashes(writing / PRODUCT)}
                (writing / ENTRY).write_text(json.dumps(content, indent=1), encoding="utf-8")
                _sync(writing / ENTRY)
                if not (self.root / key).exists():
                    # Of two that come here at once, one finds a folder with content.
                    with suppress(OSError):
                        writing.rename(self.root / key)
        except OSError as error:
            logger.warning("%s: a product can not be shared (%s).", self.root, error)

    def added_to(self, product: Path) -> list[str] | None:
        """What a product of a run has beyond the files that are here too, under whatever key; None if it is not here.

        Names are relative to the product; folders without a file count.
        """
        there = _hashes(product)
        known = [listed["sha256"] for _, listed in self._listed() if listed["sha256"].items() <= there.items()]
        if not known:
            return None
        files = max(known, key=len)
        if not product.is_dir():
            return []
        ours = {part.as_posix() for name in files for part in (Path(name), *Path(name).parents)}
        return sorted({path.relative_to(product).as_posix() for path in product.rglob("*")} - ours)

    def entries(self) -> list[Entry]:
        """Everything that is here, what was used last first."""
        found = []
        for folder, listed in self._listed():
            with suppress(OSError, KeyError, TypeError, ValueError):
                files = [path.stat() for path in _files(folder / PRODUCT)]
                found.append(
                    Entry(
                        key=folder.name,
                        stage=str(listed["stage"]),
                        kind=str(listed["kind"]),
                        created=float(listed["created"]),
                        used=(folder / ENTRY).stat().st_mtime,
                        bytes=sum(stat.st_size for stat in files),
                        runs=max((stat.st_nlink for stat in files), default=1) - 1,
                    )
                )
        return sorted(found, key=lambda entry: -entry.used)

    def prune(
        self, *, days: float | None = None, size: int | None = None, unreferenced: bool = False, dry: bool = False
    ) -> list[Entry]:
        """Remove products and return them; run folders keep what they have.

        Those that were not used for so many `days`; those that are in no run folder of this disk; and of the rest those
        that were used longest ago, until there are at most `size` bytes.
        """
        removed: list[Entry] = []
        kept: list[Entry] = []
        now = time.time()
        for entry in self.entries():
            old = days is not None and now - entry.used > days * 86_400
            (removed if old or (unreferenced and entry.runs == 0) else kept).append(entry)
        while size is not None and kept and sum(entry.bytes for entry in kept) > size:
            removed.append(kept.pop())
        if not dry:
            for entry in removed:
                _discard(self.root / entry.key)
            self._sweep()
        return removed

    def _open(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        if not (self.root / MARK).exists():
            (self.root / MARK).write_text(json.dumps({"format_version": 1}), encoding="utf-8")

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        """A temporary folder in the store, which is gone at the end, unless it was renamed."""
        folder = Path(tempfile.mkdtemp(prefix=temporary_prefix(name), dir=self.root))
        try:
            mask = os.umask(0)
            os.umask(mask)
            folder.chmod(0o777 & ~mask)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _listed(self) -> Iterator[tuple[Path, Any]]:
        if not self.root.is_dir():
            return
        for folder in sorted(self.root.iterdir()):
            if not folder.name.startswith("."):
                with suppress(OSError, ValueError):
                    listed = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
                    if isinstance(listed, dict) and "sha256" in listed:
                        yield folder, listed

    def _sweep(self) -> None:
        """Remove what killed writers of this machine left; nobody else's."""
        for path in self.root.glob(".*"):
            if is_abandoned(path.name):
                shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class Shelf:
    """Where one product lies: in a run folder, in a store under its key, in both, or nowhere."""

    path: Path | None
    store: Store | None = None
    key: str | None = None
    stage: str = ""
    kind: str = ""

    @classmethod
    def of(cls, path: Path | None, store: Store | None, stage: str, part: Any, key: Callable[[], str | None]) -> Shelf:
        """The shelf of a product; its key is asked for only if there is a store."""
        return cls(path, store, None if store is None else key(), stage, str(getattr(part, "kind", "")))

    @contextmanager
    def place(self) -> Iterator[Path | None]:
        """Where the product is to be loaded from if it is there, and to be saved if it is not; None for nowhere.

        What was saved there is shared at the end of the block.
        """
        if self.path is None and (self.store is None or self.key is None):
            yield None
        elif self.path is not None:
            yield from self._in(self.path)
        else:
            with tempfile.TemporaryDirectory() as temporary:
                yield from self._in(Path(temporary) / PRODUCT)

    def _in(self, path: Path) -> Iterator[Path]:
        known = path.exists()
        if not known and self.store is not None and self.key is not None:
            known = self.store.fetch(self.key, path)
        yield path
        if not known and self.store is not None and self.key is not None and path.exists():
            self.store.share(self.key, path, stage=self.stage, kind=self.kind)


def _files(product: Path) -> list[Path]:
    return sorted(path for path in product.rglob("*") if path.is_file()) if product.is_dir() else [product]


def _hashes(product: Path) -> dict[str, str]:
    """SHA-256 of every file of a product by its name in it."""
    return {
        path.relative_to(product).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in _files(product)
    }


def _linked(product: Path, place: Path) -> None:
    """Put all files of a product at another place, as a whole."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=temporary_prefix(place.name), dir=place.parent) as temporary:
        new = Path(temporary) / PRODUCT
        for path in _files(product):
            target = new / path.relative_to(product) if product.is_dir() else new
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, target)
            except FileNotFoundError:
                raise
            except OSError:
                # Another disk, or one without hard links.
                shutil.copyfile(path, target)
                _sync(target)
        new.rename(place)


def _sync(path: Path) -> None:
    with open(path, "rb") as written:
        os.fsync(written.fileno())


def _discard(folder: Path) -> None:
    """Remove an entry, which loses its name first, so that nobody sees half of it."""
    with suppress(OSError):
        away = tempfile.mkdtemp(prefix=temporary_prefix(folder.name), dir=folder.parent)
        with suppress(OSError):
            folder.rename(Path(away) / "old")
        shutil.rmtree(away, ignore_errors=True)
