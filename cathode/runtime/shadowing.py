"""`analysis` and `generators` are names that a user's own file or folder may have: then that is said by name."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from cathode.errors import ShadowedPackageError

PACKAGES = ("analysis", "generators")


def clear_the_way() -> None:
    """When `cathode` is imported: its own packages, or an error that names what hides them."""
    # Python says so while it looks for the package that `python -m` names.
    if sys.argv[:1] == ["-m"]:
        forget_current_folder()
    try:
        refuse_shadows()
    except ShadowedPackageError as error:
        if not _is_command():
            raise
        # Whoever typed a command has no use for the lines of Python that it went through.
        raise SystemExit(f"cathode: {error}") from None


def _is_command() -> bool:
    """Whether `cathode` or `python -m cathode` is what runs, and not a program that imports this package."""
    return sys.argv[:1] == ["-m"] or (bool(sys.argv) and Path(sys.argv[0]).stem in ("cathode", "cathode-script"))


def forget_current_folder() -> None:
    """Take the current folder off the front of the search path, where `python -m` has put it.

    Files that happen to lie there are not what `cathode` imports. A path that one has set oneself stays, and so does
    the folder that the package itself is in.
    """
    home = Path(__file__).resolve().parents[2]
    first = sys.path[0] if sys.path else None
    if first is None or sys.flags.safe_path:
        return
    try:
        here = Path.cwd()
    except OSError:
        return
    if first in ("", os.curdir, str(here)) and here != home:
        del sys.path[0]


def refuse_shadows() -> None:
    """Refuse to go on where `analysis` or `generators` is somebody else's.

    Raises
    ------
    ShadowedPackageError
        With the file or folder that is in the way, and what to do.
    """
    home = Path(__file__).resolve().parents[2]
    for name in PACKAGES:
        place = _place(name)
        if place != (home / name).resolve():
            found = "is not installed" if place is None else f"is {place}, which hides the package of this name"
            raise ShadowedPackageError(
                f"The module '{name}' {found} that belongs to cathode in {home}. Rename that file or folder, call "
                "Python from another folder or with -P, or take its folder out of PYTHONPATH."
            )


def _place(name: str) -> Path | None:
    """The folder of a package, or the file of a module, that an import of this name gives."""
    loaded = sys.modules.get(name)
    try:
        spec = getattr(loaded, "__spec__", None) if loaded is not None else find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return None if spec.origin is None else Path(spec.origin).resolve()
