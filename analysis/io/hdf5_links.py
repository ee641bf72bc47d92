"""Objects of an HDF5 file by their links, without leaving the file: what a link says elsewhere is named, not opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analysis.errors import InputFileError

# Soft links of soft links; HDF5 itself gives up after 16.
_LONGEST_CHAIN = 16


def open_node(group: Any, name: str) -> Any:
    """Group or data set at a path below a group, through hard links and soft links.

    Raises
    ------
    InputFileError
        If a link leads into another file, to nothing or round in circles.
    KeyError
        If there is nothing of that name.
    """
    return _walk(group, name, _LONGEST_CHAIN)


def children(group: Any) -> Iterator[tuple[str, Any]]:
    """Names and objects of a group; the error that opening it gave in place of what can not be opened.

    What is there by a link comes last.
    """
    linked: list[tuple[str, Any]] = []
    for name in group:
        try:
            node = open_node(group, name)
            if is_link(group, name):
                linked.append((name, node))
            else:
                yield name, node
        except Exception as error:
            linked.append((name, error))
    yield from linked


def is_group(node: Any) -> bool:
    """Whether an object is a group."""
    import h5py

    return isinstance(node, h5py.Group)


def is_link(group: Any, name: str) -> bool:
    """Whether a member of a group is kept somewhere else."""
    import h5py

    return not isinstance(group.get(name, getlink=True), h5py.HardLink)


def address(node: Any) -> int:
    """Where a group is in its file, the same for all names of it."""
    import h5py

    return int(h5py.h5o.get_info(node.id).addr)


def _walk(group: Any, path: str, left: int) -> Any:
    import h5py

    node = group.file if path.startswith("/") else group
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if not isinstance(node, h5py.Group):
            raise KeyError(f"'{path}' leads through something that is no group")
        link = node.get(part, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise InputFileError(
                f"'{group.file.filename}': '{part}' is a link to '{link.path}' in the file '{link.filename}', and "
                "links into other files are not followed. Read that file, or copy its data into this one."
            )
        node = _follow(node, part, link.path, left) if isinstance(link, h5py.SoftLink) else node[part]
    return node


def _follow(group: Any, name: str, target: str, left: int) -> Any:
    """What a soft link means."""
    place = f"'{group.file.filename}': '{name}' is a link to '{target}'"
    if left == 0:
        raise InputFileError(f"{place}, which goes round in circles.")
    try:
        return _walk(group, target, left - 1)
    except KeyError:
        raise InputFileError(f"{place}, where nothing is.") from None
