"""The folder of a run: whose it is, and where its parts lie."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from analysis.atomic import is_abandoned, write_text, writer_of
from analysis.outputs import check_output_folder, is_log, refuse_links_out
from cathode.errors import RunFolderError
from cathode.runtime.lock import FolderLock, refuse_busy
from cathode.runtime.store import Store

IDENTITY = "search.json"
MASS_MODEL = "mass_model.json"
TEMPLATE = "template"
REWEIGHTING = "reweighting"
PRETRAINING = "pretraining"
CLASSIFIERS = "classifiers"
RESULT = "result.json"
SCORES = "scores.root"

#: What a run folder has only when somebody may want to keep it, and how a product in it is known.
_FINISHED = (RESULT, "comparison.json", "config.yaml")
_PRODUCTS = ("card.json", "closure_*.json")

_PACKAGES = ("cathode-hep", "torch", "nflows", "scikit-learn", "numpy", "scipy", "uproot", "awkward", "iminuit")

logger = logging.getLogger(__name__)


def step(name: str, number: int, by: str = "_") -> str:
    """Name of one of several alike: the first (0) has it alone, then come name_2, name_3."""
    return name if number == 0 else f"{name}{by}{number + 1}"


@dataclass(frozen=True)
class RunFolder:
    """A folder that belongs to one search, or no folder at all; with a folder it is a context that holds its lock.

    Every part is written atomically and loaded instead of made again when it is there; what belongs to another search
    is refused, not overwritten. `configured` is when the folder first saw its configuration, ISO 8601 in UTC.
    """

    path: Path | None
    fingerprint: str = ""
    lock: FolderLock | None = None
    store: Store | None = None
    configured: str = ""

    @classmethod
    def claim(
        cls,
        path: Path | str | None,
        fingerprint: str,
        settings: dict[str, Any],
        *,
        inputs: Iterable[str | os.PathLike[str]] = (),
        store: Store | None = None,
    ) -> RunFolder:
        """Take `path` for the search with this fingerprint, or continue in it; `inputs` are the files that it reads.

        With a `store`, an unfinished run of other settings is taken over if all that it has trained is there too.

        Raises
        ------
        RunFolderError
            If another search, or the same one on other events, lives there, or another process writes there.
        OutputError
            As `check_run_folder`.
        """
        if path is None:
            return cls(None, fingerprint, store=store)
        folder = Path(path)
        check_run_folder(folder, inputs=inputs)
        lock = FolderLock.take(folder)
        try:
            if (folder / IDENTITY).exists():
                _refuse_other(folder, fingerprint, settings, store)
            since = _configured(folder, fingerprint)
            identity = {"fingerprint": fingerprint, "settings": settings, "configured": since}
            write_text(folder / IDENTITY, json.dumps(identity, indent=2, default=str))
            _sweep(folder, lock.before)
        except BaseException:
            lock.release()
            raise
        return cls(folder, fingerprint, lock, store, since)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        if self.lock is not None:
            self.lock.release()

    def at(self, name: str) -> Path | None:
        """Where a part lies, or None without a folder."""
        return None if self.path is None else self.path / name


def check_run_folder(path: Path | str, *, inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
    """Refuse a folder that no run should write into; asked before anything is read, and makes nothing.

    Raises
    ------
    OutputError
        If it can not be written, holds one of the `inputs`, or links that lead out of it; or if it is no run folder,
        and holds anything else than logs.
    RunFolderError
        If another process writes there at the moment.
    """
    folder = Path(path)
    known = (folder / IDENTITY).is_file()
    check_output_folder(folder, inputs=inputs, ours=None if known else is_log)
    if folder.is_dir():
        refuse_links_out(folder)
        refuse_busy(folder)


def settings_in(folder: Path) -> dict[str, Any]:
    """Settings of the search that a folder belongs to; none, if it does not say.

    Raises
    ------
    RunFolderError
        If what it says can not be read.
    """
    if not (folder / IDENTITY).exists():
        return {}
    return _identity(folder)[1]


def read_json(path: Path) -> Any:
    """What a JSON file of a run folder says.

    Raises
    ------
    RunFolderError
        If it can not be read, is no JSON or nested beyond reason.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise RunFolderError(f"{path}: unreadable ({error!r}). Delete the folder or choose another.") from error


def _identity(folder: Path) -> tuple[str, dict[str, Any]]:
    content = read_json(folder / IDENTITY)
    try:
        known, settings = content["fingerprint"], content["settings"]
    except (KeyError, TypeError) as error:
        known = settings = error
    if not (isinstance(known, str) and isinstance(settings, dict)):
        raise RunFolderError(
            f"{folder / IDENTITY}: unreadable, no identity of a search. Delete the folder or choose another."
        )
    return known, settings


def _configured(folder: Path, fingerprint: str) -> str:
    """Since when a folder has the configuration with this fingerprint: now, unless it says otherwise."""
    if (folder / IDENTITY).exists() and _identity(folder)[0] == fingerprint:
        said = read_json(folder / IDENTITY).get("configured")
        with suppress(TypeError, ValueError):
            return datetime.fromisoformat(said).astimezone(UTC).isoformat(timespec="seconds")
        # A folder of a version that did not say.
        return datetime.fromtimestamp((folder / IDENTITY).stat().st_mtime, UTC).isoformat(timespec="seconds")
    return datetime.now(UTC).isoformat(timespec="seconds")


def _refuse_other(folder: Path, fingerprint: str, settings: dict[str, Any], store: Store | None) -> None:
    """Refuse the folder of another search, unless it can be taken over."""
    known, its_settings = _identity(folder)
    if known == fingerprint:
        return
    changed = _differences(its_settings, settings) or "other events or another version"
    finished = next((name for name in _FINISHED if (folder / name).exists()), None)
    if store is not None and finished is None and _emptied(folder, store):
        logger.warning(
            "%s held an unfinished search of other settings (%s); it is taken over, what that had trained stays in %s.",
            folder,
            changed,
            store.root,
        )
        return
    raise RunFolderError(
        f"{folder} holds another search ({changed}). Choose another output folder, or delete this one."
    )


def _emptied(folder: Path, store: Store) -> bool:
    """Remove the products of a run if the store has all of them; whether it has.

    Raises
    ------
    RunFolderError
        If something was put into a product that no search made; nothing is removed then.
    """
    products = _products(folder)
    added = [store.added_to(product) for product in products]
    if None in added:
        return False
    for product, names in zip(products, added, strict=True):
        if names:
            raise RunFolderError(
                f"{folder} holds an unfinished search of other settings, which could be taken over, but "
                f"'{(product / names[0]).relative_to(folder)}' was made by no search. Move it away, or choose another "
                "output folder."
            )
    for product in products:
        if product.is_dir():
            shutil.rmtree(product)
        else:
            product.unlink()
    return True


def _products(folder: Path) -> list[Path]:
    """What was trained in a run: folders, and files of closures."""
    found = [path for name in _PRODUCTS for path in folder.rglob(name)]
    shown = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return [path if path.parent == folder or path.name.startswith("closure_") else path.parent for path in shown]


def versions() -> dict[str, str]:
    """Versions of this package and of those that decide numbers, of Python and its system."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    """Read once: to parse the metadata of all packages takes as long as a small training."""
    import platform

    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # pragma: no cover - running from a source tree
            found[name] = "unknown"
    return found


def _sweep(folder: Path, before: tuple[str, int] | None) -> None:
    """Remove what killed writers of this run left: hidden, and never given its name; nobody else's.

    Of processes of this machine it is known whether they are alive; of another one only that `before`, which had the
    lock that is ours now, is not.
    """
    for path in sorted(folder.rglob(".*")):
        if is_abandoned(path.name) or (before is not None and writer_of(path.name) == before):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> str:
    """What was another value, by its path; parts of one kind are compared by their hyperparameters."""
    found = []
    for key in {**after, **before}:
        one, other = before.get(key), after.get(key)
        if json.dumps(one, default=str) == json.dumps(other, default=str):
            continue
        if (
            isinstance(one, dict)
            and isinstance(other, dict)
            and key == "method"
            and one.get("kind") == other.get("kind")
        ):
            found.append(_differences(one, other, f"{key}."))
        else:
            found.append(f"{prefix}{key} was {one!r}")
    return ", ".join(found)
