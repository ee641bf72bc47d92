"""The folder of a run: whose it is, and where its parts lie."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from analysis.atomic import is_abandoned, write_text
from cathode.errors import RunFolderError

IDENTITY = "search.json"
MASS_MODEL = "mass_model.json"
TEMPLATE = "template"
REWEIGHTING = "reweighting"
PRETRAINING = "pretraining"
CLASSIFIERS = "classifiers"
RESULT = "result.json"

_PACKAGES = ("cathode-hep", "torch", "nflows", "scikit-learn", "numpy", "scipy", "uproot", "awkward", "iminuit")


def step(name: str, number: int, by: str = "_") -> str:
    """Name of one of several alike: the first (0) has it alone, then come name_2, name_3."""
    return name if number == 0 else f"{name}{by}{number + 1}"


@dataclass(frozen=True)
class RunFolder:
    """A folder that belongs to one search, or no folder at all.

    Every part is written atomically and loaded instead of made again when it is there; what belongs to another search
    is refused, not overwritten.
    """

    path: Path | None

    @classmethod
    def claim(cls, path: Path | str | None, fingerprint: str, settings: dict[str, Any]) -> RunFolder:
        """Take `path` for the search with this fingerprint, or continue in it.

        Raises
        ------
        RunFolderError
            If another search, or the same one on other events, lives there.
        """
        if path is None:
            return cls(None)
        folder = Path(path)
        identity = folder / IDENTITY
        if identity.exists():
            try:
                before = json.loads(identity.read_text(encoding="utf-8"))
                known, its_settings = before["fingerprint"], dict(before["settings"])
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise RunFolderError(
                    f"{identity}: unreadable ({error!r}). Delete the folder or choose another."
                ) from error
            if known != fingerprint:
                changed = _differences(its_settings, settings)
                raise RunFolderError(
                    f"{folder} holds another search ({changed or 'other events or another version'}). "
                    "Choose another output folder, or delete this one."
                )
        write_text(identity, json.dumps({"fingerprint": fingerprint, "settings": settings}, indent=2, default=str))
        _sweep(folder)
        return cls(folder)

    def at(self, name: str) -> Path | None:
        """Where a part lies, or None without a folder."""
        return None if self.path is None else self.path / name


def versions() -> dict[str, str]:
    """Versions of this package and of those that decide numbers, and of Python."""
    import platform

    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # pragma: no cover - running from a source tree
            found[name] = "unknown"
    return found


def _sweep(folder: Path) -> None:
    """Remove what killed processes of this machine were writing: hidden, and never given its name; nobody else's."""
    for path in sorted(folder.rglob(".*")):
        if is_abandoned(path.name):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _differences(before: dict[str, Any], after: dict[str, Any]) -> str:
    names = {**after, **before}
    keys = [k for k in names if json.dumps(before.get(k), default=str) != json.dumps(after.get(k), default=str)]
    return ", ".join(f"{key} was {before.get(key)!r}" for key in keys)
