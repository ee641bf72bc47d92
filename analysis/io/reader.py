"""One file at a time: what is asked of it, and ranges of its entries turned into `Events`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import (
    AnalysisError,
    ConstituentError,
    ExpressionError,
    IdentifierError,
    MissingValueError,
    NonFiniteError,
)
from analysis.events import Events, SourceFile
from analysis.expressions.chunk import Chunk
from analysis.expressions.column import Column
from analysis.io import layouts
from analysis.io.checksums import Checksums
from analysis.io.chunks import entries_within, plan_chunks
from analysis.io.contents import Content
from analysis.io.names import Names
from analysis.io.sanity import BEAM_ENERGY, EnergyCheck
from analysis.io.tables import Table
from analysis.io.units import Conversion, Units
from analysis.selection import Expression

BY_ENTRY = ("entry",)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of every file."""

    mass: Expression
    content: Content
    selection: Expression | None
    weight: Expression | None
    truth: Expression | None
    identifiers: tuple[str, ...] | None
    tree: str | None
    layout: str
    units: Units
    memory: int
    checksums: Checksums
    beam_energy: float | None = BEAM_ENERGY

    @property
    def cache(self) -> int:
        """Bytes of the ceiling that a table may keep between two chunks."""
        return self.memory // 4

    @property
    def expressions(self) -> list[Expression]:
        """All expressions beside the content, the selection first."""
        optional = [e for e in (self.selection, self.weight, self.truth) if e is not None]
        return [*optional, self.mass]


class FileReader:
    """Turns ranges of entries of one file into Events."""

    def __init__(self, table: Table, request: Request, checksum: str, before: int) -> None:
        self._table, self._request, self._checksum, self._before = table, request, checksum, before
        self._branches = Names(table.names)
        try:
            names = [name for e in request.expressions for name in e.branches(self._branches)]
            names += request.content.branches(self._branches)
            self._needed = {name: self._branches[name] for name in names}
        except AnalysisError as error:
            raise type(error)(f"'{table.path}', '{table.tree}': {error}") from None
        self._numbers: tuple[str, ...] = ()
        if request.identifiers != BY_ENTRY:
            layout = layouts.layout_of(table.names, request.layout)
            self._numbers = layouts.event_numbers(layout, self._branches, request.identifiers, table.path)
        self._needed |= {name: self._branches[name] for name in self._numbers}
        measured = [*request.content.branches(self._branches)]
        measured += [] if request.selection is None else request.selection.branches(self._branches)
        places = request.content.positions(self._branches)
        self._measured = tuple(name for name in dict.fromkeys(measured) if name not in places)
        request.units.refuse_unmatched(table.names, table.path)
        self._conversion = Conversion(request.units, self._needed, request.mass, self._measured, table.path)
        self._check = EnergyCheck(request.beam_energy, request.units.default, request.mass.text, table.path)

    def ranges(self) -> list[tuple[int, int]]:
        """Ranges of entries under the memory ceiling; an empty file has one empty range."""
        if self._table.entries == 0:
            return [(0, 0)]
        branches = list(dict.fromkeys(self._needed.values()))
        budget = self._request.memory - self._request.cache
        event = math.prod(self._request.content.shape) * np.dtype(np.float32).itemsize
        largest = entries_within(budget, self._table.bytes_per_entry(branches), event)
        return plan_chunks(self._table.boundaries(branches), largest)

    def events(self, start: int, stop: int) -> Events:
        """The selected events of a range."""
        request, path = self._request, self._table.path
        if start == stop:
            return self._nothing()
        raw = self._raw(start, stop)
        chunk = Chunk(self._conversion.converted(raw), stop - start)
        try:
            passing = None if request.selection is None else request.selection.passing(chunk)
            mass = self._conversion.mass(raw, chunk, passing)
            x = request.content.values(chunk, passing)
            weights = None if request.weight is None else request.weight.values(chunk, passing, name="weight")
            truth = None if request.truth is None else _as_truth(request.truth, chunk, passing)
        except (MissingValueError, ConstituentError, NonFiniteError) as error:
            raise type(error)(f"'{path}', entries {start} to {stop}: {error}") from None
        entry = np.arange(stop - start) if passing is None else np.flatnonzero(passing)
        self._judge(raw, passing, mass, stop)
        return Events(
            x=x,
            mass=mass,
            columns=request.content.columns,
            weights=np.ones(len(mass)) if weights is None else weights.astype(np.float64),
            ids=self._ids(raw, entry, start),
            truth=truth,
            entry=entry,
            sources=(self._source(start, stop, len(mass)),),
        )

    def _nothing(self) -> Events:
        """What an empty file gives: no events, but a place in the chain."""
        content = self._request.content
        truth = None if self._request.truth is None else np.empty(0, dtype=bool)
        x = np.empty((0, *content.shape))
        return Events(x=x, mass=np.empty(0), columns=content.columns, truth=truth, sources=(self._source(0, 0, 0),))

    def _source(self, start: int, stop: int, selected: int) -> SourceFile:
        return SourceFile(
            path=self._table.path,
            tree=self._table.tree,
            entries=stop - start,
            selected=selected,
            uuid=self._table.uuid,
            sha256=self._checksum,
            start=start,
        )

    def _raw(self, start: int, stop: int) -> dict[str, Column]:
        """The columns as the file has them."""
        read = self._table.read(list(dict.fromkeys(self._needed.values())), start, stop)
        return {name: read[branch] for name, branch in self._needed.items()}

    def _judge(
        self, raw: dict[str, Column], passing: NDArray[np.bool_] | None, mass: NDArray[np.float64], stop: int
    ) -> None:
        if self._check.open:
            self._check.add(raw, self._conversion, self._measured, passing, mass)
            if stop == self._table.entries:
                self._check.judge()

    def _ids(self, raw: dict[str, Column], entry: NDArray[np.int64], start: int) -> NDArray[np.uint64]:
        ids = np.ones((len(entry), 3), dtype=np.uint64)
        if not self._numbers:
            ids[:, 2] = self._before + start + entry
        for position, name in zip(range(3 - len(self._numbers), 3), self._numbers, strict=True):
            ids[:, position] = _as_number(raw[name], name, self._table.path)[entry]
        if len(self._numbers) == 2:
            # (run, event): the pair belongs to the first and the last place.
            ids[:, 0], ids[:, 1] = ids[:, 1].copy(), 1
        return ids


def _as_number(column: Column, name: str, path: str) -> NDArray[np.uint64]:
    """Event numbers as unsigned integers."""
    values = column.values
    problem = ""
    if column.offsets is not None:
        problem = "holds a list per event"
    elif column.missing is not None:
        problem = "has missing values"
    elif values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.floor(values))).all():
        problem = "has values that are not whole numbers"
    elif values.dtype.kind != "b" and len(values) and values.min() < 0:
        problem = f"has negative values, such as {values.min()}"
    if problem:
        raise IdentifierError(f"'{path}': '{name}' {problem}, so it can not number events. Choose other identifiers.")
    return values.astype(np.uint64, copy=False)


def _as_truth(expression: Expression, chunk: Chunk, passing: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    values = expression.values(chunk, passing, name="truth")
    if values.dtype != np.bool_ and not np.isin(values, (0, 1)).all():
        strange = values[~np.isin(values, (0, 1))][0]
        raise ExpressionError(
            f"truth='{expression.text}' has values such as {strange}, neither 0 nor 1; write a condition that is true "
            f"for signal, such as '{expression.text} == 1'."
        )
    return values.astype(bool)
