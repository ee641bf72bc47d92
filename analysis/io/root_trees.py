"""Which tree of a ROOT file is meant: by name, path and cycle, among histograms and folders of the same name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from analysis.errors import NtupleReadError, TreeNotFoundError
from analysis.io.tables import choose_tree

_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
_FOLDERS = ("TDirectory", "TDirectoryFile")
_USUAL_NAMES = ("Events", "CollectionTree", "EventData")
_DEEPEST = 32


@dataclass(frozen=True)
class TreeKey:
    """One object of a file: its path, its cycle (the newest has the highest), and what it is."""

    path: str
    cycle: int
    kind: str

    @property
    def is_tree(self) -> bool:
        """Whether it is a TTree or an RNTuple."""
        return self.kind in _TREES

    @property
    def is_rntuple(self) -> bool:
        """Whether it is an RNTuple."""
        return "RNTuple" in self.kind


def find_tree(path: str, file: Any, tree: str | None) -> tuple[str, TreeKey]:
    """The tree that is meant and its name: the newest of a path, or that of a cycle, as in `nominal/Events;1`.

    What else is in the file does not matter, not even a folder that can not be read.

    Raises
    ------
    TreeNotFoundError
        If there is no such tree, or the choice is not clear; the message says what is there instead.
    NtupleReadError
        If it could be in a folder that can not be read.
    """
    broken: list[str] = []
    keys = list(_keys(file, "", broken))
    newest: dict[str, TreeKey] = {}
    for key in keys:
        if key.is_tree and key.cycle >= newest.get(key.path, key).cycle:
            newest[key.path] = key
    wanted, cycle = _split(tree)
    if broken and wanted not in newest and (wanted or not newest):
        raise NtupleReadError(
            f"'{path}': the folder '{broken[0]}' can not be read. Copy the file again, or remove it from the list.",
            file=path,
        )
    others = [key for key in keys if key.path == wanted and not key.is_tree]
    if others and wanted not in newest:
        raise TreeNotFoundError(f"'{path}' has no tree '{wanted}': what is called so is a {others[0].kind}.")
    name = choose_tree(path, wanted, list(newest), _USUAL_NAMES)
    if cycle is None or newest[name].cycle == cycle:
        return name, newest[name]
    for key in keys:
        if key.is_tree and (key.path, key.cycle) == (name, cycle):
            return f"{name};{cycle}", key
    cycles = ", ".join(f"'{k.path};{k.cycle}'" for k in keys if k.path == name and k.is_tree)
    raise TreeNotFoundError(f"'{path}' has no tree '{name};{cycle}'. There are {cycles}.")


def content_of(file: Any, key: TreeKey) -> Any:
    """The object of that key."""
    return file[f"{key.path};{key.cycle}"]


def _split(tree: str | None) -> tuple[str | None, int | None]:
    """Path and cycle of a name such as /nominal/Events;1."""
    if tree is None:
        return None, None
    match = re.fullmatch(r"/*(.*?)(?:;([0-9]+))?", tree, flags=re.DOTALL)
    assert match is not None
    return match[1], None if match[2] is None else int(match[2])


def _keys(folder: Any, place: str, broken: list[str]) -> Iterator[TreeKey]:
    """All objects of a folder and of those in it; folders that can not be read are added to `broken`."""
    for name, kind in folder.iterclassnames(recursive=False, cycle=True):
        plain, cycle = _split(name)
        inside = f"{place}{plain}"
        yield TreeKey(inside, cycle or 0, kind)
        if kind in _FOLDERS:
            try:
                if place.count("/") >= _DEEPEST:
                    raise RecursionError("folders in folders")
                yield from list(_keys(folder[name], f"{inside}/", broken))
            except Exception:  # whatever uproot raises on a folder that nobody may have asked for
                broken.append(inside)
