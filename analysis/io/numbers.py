"""Which numbers identify the events of a file: its branches, or the file itself and the position in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError, BranchNotFoundError, IdentifierError, nearest
from analysis.expressions.chunk import Chunk
from analysis.expressions.column import Column
from analysis.expressions.nodes import Branch
from analysis.io.checksums import sha256_of
from analysis.io.layouts import event_numbers, layout_of
from analysis.io.names import Names
from analysis.io.paths import is_remote
from analysis.io.tables import Table
from analysis.selection import Expression, compile_expression

BY_ENTRY = ("entry",)

# Above, not every whole number is one of that type.
_EXACT = {2: 2**11, 4: 2**24, 8: 2**53}


class EventNumbers:
    """(run, lumi, event) of the entries of one file.

    By position the numbers are (1, the file, the entry in it), where the file is known by its content: by the
    identifier that ROOT gave it, or by the hash of its bytes. The same entry has the same numbers whatever the file is
    called, wherever it lies, and whichever files are read before it.

    Parameters
    ----------
    identifiers : expressions of (run, lumi, event), (run, event) or (event); None takes those of the layout, "entry"
        alone the position.
    checksum : hash of the file if it is known; one without an identifier is hashed for the position if it is not, and
        then has it as `checksum`.

    Raises
    ------
    IdentifierError
        If the file has none of the usual branches and none were declared, or is known by nothing.
    BranchNotFoundError, AmbiguousNameError
        If a declared one does not exist, or could be several.
    """

    def __init__(self, table: Table, identifiers: Sequence[str] | None, layout: str, *, checksum: str = "") -> None:
        self._table = table
        self.checksum = checksum
        self.by_position = identifiers is not None and tuple(identifiers) == BY_ENTRY
        self.identifiers: tuple[str, ...] = BY_ENTRY
        self._expressions: tuple[Expression, ...] = ()
        self._columns: dict[str, str] = {}
        if self.by_position:
            if not table.uuid and not checksum and not is_remote(table.path):
                self.checksum = sha256_of(table.path)
            if not table.uuid and not self.checksum:
                raise IdentifierError(
                    f"'{table.path}' has no identifier of its own, by which the position of an event could be kept "
                    "apart from that in other files. Read a local copy, or number the events by branches."
                )
            return
        available = Names(table.names)
        self.identifiers = event_numbers(layout_of(table.names, layout), available, identifiers, table.path)
        for text in self.identifiers:
            if text.isidentifier() and text not in available:
                raise BranchNotFoundError(f"'{table.path}' has no branch '{text}'. {nearest(text, available)}")
        self._expressions = tuple(_expression(text, available) for text in self.identifiers)
        try:
            needed = [name for e in self._expressions for name in e.branches(available)]
            self._columns = {name: available[name] for name in needed}
        except AnalysisError as error:
            raise type(error)(f"'{table.path}', identifiers: {error}") from None

    @property
    def branches(self) -> tuple[str, ...]:
        """Columns of the file that they are made of."""
        return tuple(dict.fromkeys(self._columns.values()))

    def ids(self, columns: Mapping[str, Column], start: int, stop: int) -> NDArray[np.uint64]:
        """(stop - start, 3) of these entries, from the `branches` at these entries.

        Raises
        ------
        IdentifierError
            If a branch holds what can not number events.
        """
        ids = np.ones((stop - start, 3), dtype=np.uint64)
        if self.by_position:
            ids[:, 1] = _key(self._table.uuid or self.checksum, self._table.tree)
            ids[:, 2] = np.arange(start, stop)
            return ids
        chunk = Chunk({name: columns[column] for name, column in self._columns.items()}, stop - start)
        for position, expression in zip(range(3 - len(self._expressions), 3), self._expressions, strict=True):
            ids[:, position] = self._number(expression, chunk)
        if len(self._expressions) == 2:
            # (run, event): the pair belongs to the first and the last place.
            ids[:, 0], ids[:, 1] = ids[:, 1].copy(), 1
        return ids

    def _number(self, expression: Expression, chunk: Chunk) -> NDArray[np.uint64]:
        try:
            return as_numbers(expression.evaluate(chunk))
        except AnalysisError as error:
            raise IdentifierError(
                f"'{self._table.path}': '{expression.text}' {error}, so it can not number events. Choose other "
                "identifiers."
            ) from None


def as_numbers(column: Column) -> NDArray[np.uint64]:
    """Event numbers as unsigned integers, also out of lists of exactly one, as Delphes writes them.

    Raises
    ------
    IdentifierError
        If the values are not whole numbers from 0 on, one per event; the message is the rest of a sentence.
    """
    if column.offsets is not None:
        if (column.counts != 1).any():
            raise IdentifierError("holds a list per event")
        column = Column(column.values, column.missing)
    values = column.values
    if column.missing is not None:
        raise IdentifierError("has missing values")
    if values.dtype.kind == "f":
        if not (np.isfinite(values) & (values == np.floor(values))).all():
            raise IdentifierError("has values that are not whole numbers")
        if len(values) and np.abs(values).max() > _EXACT[values.dtype.itemsize]:
            raise IdentifierError(f"has values such as {values.max():.17g}, which its type {values.dtype} rounds")
    if values.dtype.kind != "b" and len(values) and values.min() < 0:
        raise IdentifierError(f"has negative values, such as {values.min()}")
    return values.astype(np.uint64, copy=False)


def _expression(text: str, available: Names) -> Expression:
    """The branch of that name, or what the expression says."""
    return Expression(text, Branch(text)) if text in available else compile_expression(text)


def _key(content: str, tree: str) -> np.uint64:
    """63 bits that stand for one tree of one file: some readers take these numbers for signed ones."""
    digest = hashlib.sha256(f"{content}:{tree}".encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "little") >> 1)
