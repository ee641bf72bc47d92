"""What every input format offers to the reader: named columns by ranges of entries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.errors import TreeNotFoundError, nearest
from analysis.expressions.column import Column


class Table(Protocol):
    """One open table of one file.

    `names` are the columns as the file spells them; `boundaries` are entries, from 0 to `entries`, between which the
    file is packed, so that reading from one to another unpacks nothing twice.
    """

    path: str
    tree: str
    entries: int
    uuid: str
    names: Sequence[str]

    @property
    def verified(self) -> bool:
        """Whether all that was read so far agreed with a checksum in the file."""
        ...

    def boundaries(self, names: Collection[str]) -> NDArray[np.int64]:
        """Entries at which the named columns can be cut."""
        ...

    def bytes_per_entry(self, names: Collection[str]) -> float:
        """Mean size of the named columns in memory."""
        ...

    def read(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        """The named columns for entries start to stop.

        Raises
        ------
        NtupleReadError
            If they can not be decoded.
        """
        ...

    def close(self) -> None:
        """Release the file."""
        ...


def choose_tree(path: str, tree: str | None, available: Sequence[str], usual: Sequence[str] = ()) -> str:
    """The table that is meant: the named one, the only one, or the one with a usual name.

    Raises
    ------
    TreeNotFoundError
        If there is none, or the choice is not clear.
    """
    if tree is not None:
        if tree in available:
            return tree
        hint = nearest(tree, available) if available else "The file has no tree at all."
        raise TreeNotFoundError(f"'{path}' has no tree '{tree}'. {hint}")
    if not available:
        raise TreeNotFoundError(f"'{path}' has no tree.")
    if len(available) == 1:
        return available[0]
    for name in usual:
        if name in available:
            return name
    raise TreeNotFoundError(
        f"'{path}' has {len(available)} trees; say which: tree='{available[0]}'. {nearest('', available)}"
    )
