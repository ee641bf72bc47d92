"""Which files are meant: paths, patterns and lists of both, in natural order."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from analysis.errors import InputFileError, nearest
from analysis.io.hive import files_below
from analysis.io.urls import canonical, without_scheme

#: What names of files of the package begin with.
EMBEDDED = "embedded:"
Files = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def is_remote(path: str) -> bool:
    """Whether the path is a URL, such as root://server//store/file.root."""
    return "://" in path


def expand(files: Files) -> tuple[str, ...]:
    """Paths meant by a path, a pattern (`*`, `?`, `[…]`, `**`), or a list of them.

    The files of a pattern come in natural order, file_2 before file_10; a list keeps its own order. A folder means the
    parquet files in it and in the folders below, as pyarrow, Spark and Dask write a data set. embedded:dijets and so on
    are the files of the package.

    Raises
    ------
    InputFileError
        If a path does not exist, a pattern matches nothing, or a file is listed twice, be it in two spellings or
        by a symbolic link; the message names the nearest, or both.
    """
    return _expanded(files, _expand_one)


def expand_listed(files: Files) -> tuple[str, ...]:
    """As `expand`, but a file that is listed and not there keeps its place: opening it says so.

    A pattern that matches nothing is an error still.
    """
    return _expanded(files, _expand_listed)


def refuse_hard_links(paths: Iterable[str]) -> None:
    """Check that no two paths are one file on the disk, whatever names it has.

    Raises
    ------
    InputFileError
        Naming both.
    """
    _refuse_twice([path for path in paths if not is_remote(path)], _stored)


def local_path(item: str) -> str:
    """The same, or the path of a file of the package where one is named: embedded:dijets.

    Raises
    ------
    InputFileError
        If the package has no file of that name.
    """
    if not item.startswith(EMBEDDED):
        return item
    from analysis.datasets import embedded

    return str(embedded(item.removeprefix(EMBEDDED)))


def natural_key(text: str) -> tuple[list[tuple[int, int | str]], str]:
    """Sort key by which the numbers inside of a name count as numbers; where they are equal, the text decides.

    >>> sorted(["ntuple_10.root", "ntuple_2.root", "ntuple_02.root"], key=natural_key)
    ['ntuple_02.root', 'ntuple_2.root', 'ntuple_10.root']
    """
    parts = [part for part in re.split(r"([0-9]+)", text) if part]
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts], text


def _expanded(files: Files, expand_one: Callable[[str], list[str]]) -> tuple[str, ...]:
    listed = [files] if isinstance(files, str | os.PathLike) else list(files)
    if not listed:
        raise InputFileError("The list of input files is empty.")
    paths = [path for item in listed for path in expand_one(local_path(without_scheme(os.fspath(item))))]
    _refuse_twice(paths, _spelled)
    return tuple(paths)


def _refuse_twice(paths: Iterable[str], place: Callable[[str], object]) -> None:
    seen: dict[object, str] = {}
    for path in paths:
        where = place(path)
        if where in seen:
            first = seen[where]
            name = f"'{path}' is" if first == path else f"'{first}' and '{path}' are one file, which is"
            raise InputFileError(f"{name} listed twice, so its events would be read twice. Name every file once.")
        seen[where] = path


def _spelled(path: str) -> object:
    """What all spellings of a path or a URL share, and all symbolic links to a path."""
    return canonical(path) if is_remote(path) else os.path.realpath(path)


def _stored(path: str) -> object:
    """Device and number of the file. Some network file systems number none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:  # left out, or gone since it was read
        return path
    return (status.st_dev, status.st_ino) if status.st_ino else path


def _expand_one(item: str) -> list[str]:
    if is_remote(item):
        return [item]
    item = os.path.expanduser(item)
    if os.path.isfile(item):
        return [item]
    if os.path.isdir(item):
        if found := sorted(files_below(item), key=natural_key):
            return found
        raise InputFileError(f"'{item}' is a folder; write a pattern such as '{os.path.join(item, '*.root')}'.")
    matching = glob.glob(item, recursive=True)
    files = {p for p in matching if os.path.isfile(p)} or {p for folder in matching for p in files_below(folder)}
    found = sorted(files, key=natural_key)
    if not found:
        what = "No file matches" if glob.has_magic(item) else "There is no file"
        raise InputFileError(f"{what} '{item}'. {_neighbours(Path(item))}")
    return found


def _expand_listed(item: str) -> list[str]:
    path = os.path.expanduser(item)
    absent = not is_remote(path) and not glob.has_magic(path) and not os.path.exists(path)
    return [path] if absent else _expand_one(item)


def _neighbours(path: Path) -> str:
    """What the folder has instead."""
    match = re.fullmatch(r"(.+\.root):(.+)", str(path))
    if match and os.path.isfile(match[1]):
        return f"The file '{match[1]}' exists; name the tree by itself: tree='{match[2]}'."
    folder = path.parent
    while not folder.is_dir():
        path, folder = folder, folder.parent
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    if not names:
        return f"The folder '{folder}' is empty."
    return f"In '{folder}': {nearest(path.name, names)}"
