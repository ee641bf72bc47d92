"""Where an output may go: never over an input, never over what we did not make, and only where it can be written.

Asked before anything is read, by every function that writes what a user named.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from analysis.atomic import kind_of
from analysis.errors import OutputError
from analysis.io.paths import EMBEDDED, is_remote
from analysis.io.urls import without_scheme

Inputs = Iterable[str | os.PathLike[str]]

_LOG = re.compile(r".*\.(log|out|err)([._-]?\d+)*")


def check_output_file(path: str | os.PathLike[str], *, inputs: Inputs = ()) -> None:
    """Refuse a file to be written that is an input, in whatever spelling or through links, or can not be written.

    `inputs` are files, patterns, folders and URLs that are read. A place inside of an input folder is refused, and one
    that an input pattern matches, since the next read would take the output for an input.

    Raises
    ------
    OutputError
        Says what stands in the way, and what to do.
    """
    target = Path(path)
    if is_remote(os.fspath(path)):
        raise OutputError(f"{path} is a URL; files are written to folders of this machine only. Copy it afterwards.")
    if os.path.lexists(target):
        if target.is_dir():
            raise OutputError(f"{target} is a folder; name a file in it.")
        if target.exists() and not target.is_file():
            raise OutputError(f"{target} is no file but a {kind_of(target)}. Name a file to write.")
    _refuse_unwritable(target.parent, target)
    for given in inputs:
        what = _conflict(target, os.fspath(given))
        if what is not None:
            raise OutputError(f"{target} would be written, but {what}. Choose another output.")


def check_output_folder(
    path: str | os.PathLike[str], *, inputs: Inputs = (), ours: Callable[[Path], bool] | None = None
) -> None:
    """Refuse a folder to be written into that holds an input, lies inside of one, or can not be written.

    With `ours`, a folder that holds anything for which it is False is refused as well; hidden files do not count.

    Raises
    ------
    OutputError
        Says what stands in the way, and what to do.
    """
    target = Path(path)
    if os.path.lexists(target) and not target.is_dir():
        what = f"a {kind_of(target)}" if target.exists() and not target.is_file() else "a file"
        raise OutputError(f"{target} is {what if target.exists() else 'a broken link'}; name a folder to write into.")
    _refuse_unwritable(target, target)
    seen: set[Path] = set()
    for given in inputs:
        for place in _places(os.fspath(given)):
            where = place if place.is_dir() or place.is_symlink() else place.parent
            if where in seen:
                continue
            seen.add(where)
            if _inside(where, target):
                raise OutputError(
                    f"{target} would be written into, but '{given}', which is read, lies in it. Choose another output "
                    "folder, or move the input."
                )
            if place.is_dir() and _inside(target, place):
                raise OutputError(
                    f"{target} would be written, but it lies in '{given}', which is read. Choose another output folder."
                )
    if ours is None or not target.is_dir():
        return
    foreign = sorted(e.name for e in target.iterdir() if not e.name.startswith(".") and not ours(e))
    if foreign:
        raise OutputError(
            f"{target} holds '{foreign[0]}'{f' and {len(foreign) - 1} more' * (len(foreign) > 1)}, which was not made "
            "here and might be lost. Name a new or an empty folder."
        )


def is_log(entry: Path) -> bool:
    """Whether something is what a batch system or a shell writes into an output folder before the program begins.

    By the endings that they have: .log, .out and .err, also with a number behind them. Nothing of ours is called so,
    so nothing can be lost.
    """
    return _LOG.fullmatch(entry.name.lower()) is not None and entry.is_file()


def refuse_links_out(folder: str | os.PathLike[str]) -> None:
    """Refuse a folder with symbolic links to places outside of it: what is read or written there belongs to others.

    The folder itself may be reached through a link.

    Raises
    ------
    OutputError
        Names the link and where it leads.
    """
    root = os.path.realpath(folder)
    for parent, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            if os.path.islink(path):
                leads = os.path.realpath(path)
                if os.path.commonpath([root, leads]) != root:
                    raise OutputError(
                        f"{Path(folder) / os.path.relpath(path, root)} is a link that leads out of the folder, to "
                        f"{leads}. Put a copy in its place, or remove it."
                    )


def _refuse_unwritable(folder: Path, target: Path) -> None:
    """Refuse where no file can be made: the nearest folder that exists must be one, and must allow it."""
    try:
        # Names that are too long and links that lead in circles are found here.
        with suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(target)
        while not os.path.lexists(folder):
            folder = folder.parent
        mode = folder.stat().st_mode
    except OSError as error:
        raise OutputError(f"{target}: can not be written, see {folder} ({error.strerror}).") from error
    if not stat.S_ISDIR(mode):
        raise OutputError(f"{target}: can not be written, because {folder} is a file and no folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"{target}: can not be written, because nothing can be written in {folder}. Choose another place, or "
            "change its permissions."
        )


def _conflict(target: Path, given: str) -> str | None:
    """What is wrong with writing `target` while `given` is read; None if nothing is."""
    given = without_scheme(given)
    for place in _places(given):
        if _same(target, place):
            return f"it is the input '{given}'" if str(target) != given else "it is an input as well"
        if place.is_dir() and _inside(target, place):
            return f"it lies in '{given}', which is read"
    if glob.has_magic(given) and _matches(target, given):
        return f"the input pattern '{given}' matches it, so it would be read as an input the next time"
    return None


def _places(given: str) -> list[Path]:
    """Files and folders here that an input means; none for a URL or the name of an embedded data set."""
    if is_remote(given) or given.startswith(EMBEDDED):
        return []
    given = os.path.expanduser(given)
    if os.path.lexists(given):
        return [Path(given)]
    return [Path(found) for found in glob.glob(given, recursive=True)]


def _same(one: Path, other: Path) -> bool:
    """Whether two names are one file: through links of both kinds, other spellings, and folders that ignore case."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _inside(place: Path, folder: Path) -> bool:
    """Whether a place, which need not exist, is a folder or lies in it."""
    real = Path(os.path.realpath(place))
    return any(_same(parent, folder) for parent in (real, *real.parents))


def _matches(target: Path, pattern: str) -> bool:
    """Whether a pattern would find a file; links in the part without wildcards are followed."""
    pattern = os.path.expanduser(pattern)
    parts = Path(pattern).parts
    plain = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    base = os.path.realpath(Path(*parts[:plain]))
    real = os.path.join(os.path.realpath(target.parent), target.name)
    if os.path.commonpath([base, real]) != base:
        return False
    rest = os.path.relpath(real, base).split(os.sep)
    return _parts_match(rest, list(parts[plain:]))


def _parts_match(names: list[str], patterns: list[str]) -> bool:
    """Whether a path fits a pattern, both in parts; `**` stands for any number of folders."""
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(_parts_match(names[skipped:], patterns[1:]) for skipped in range(len(names) + 1))
    fits = bool(names) and fnmatch.fnmatchcase(names[0], patterns[0])
    return fits and _parts_match(names[1:], patterns[1:])
