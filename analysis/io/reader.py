"""One file at a time: what is asked of it, and ranges of its entries turned into `Events`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from analysis.errors import (
    AnalysisError,
    ConstituentError,
    ExpressionError,
    MissingValueError,
    NonFiniteError,
)
from analysis.events import PAGES, SHA256, Events, SourceFile
from analysis.expressions.chunk import Chunk
from analysis.expressions.column import Column
from analysis.io.accounts import Account
from analysis.io.checksums import Checksums, checksum_for
from analysis.io.chunks import entries_within, parse_memory, plan_chunks
from analysis.io.contents import Content
from analysis.io.layouts import layout_of
from analysis.io.manifests import read_manifest
from analysis.io.names import Names
from analysis.io.numbers import EventNumbers
from analysis.io.opening import open_table
from analysis.io.reading_options import BEAM_ENERGY, ReadingOptions
from analysis.io.sanity import EnergyCheck
from analysis.io.tables import Table
from analysis.io.units import Conversion, Units, factor
from analysis.selection import Expression, compile_expression


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
    conditions: Mapping[str, Expression] = field(default_factory=dict)

    @classmethod
    def of(cls, reading: ReadingOptions, content: Content) -> Request:
        """What a reading asks of every file, its expressions compiled.

        Raises
        ------
        ExpressionError, UnitsError, InputFileError, AnalysisError
            If an expression is malformed, or units, manifest or memory make no sense.
        """
        selection, weight, truth = (
            None if text is None else compile_expression(text)
            for text in (reading.selection, reading.weight, reading.truth)
        )
        checksums = reading.checksums
        return cls(
            mass=compile_expression(reading.mass),
            content=content,
            selection=selection,
            weight=weight,
            truth=truth,
            identifiers=declared(reading.identifiers),
            tree=reading.tree,
            layout=reading.layout,
            units=Units.of(reading.units),
            beam_energy=reading.beam_energy,
            memory=parse_memory(reading.memory),
            checksums=read_manifest(checksums) if isinstance(checksums, str | os.PathLike) else checksums,
        )

    @property
    def cache(self) -> int:
        """Bytes of the ceiling that a table may keep between two chunks."""
        return self.memory // 4

    @property
    def expressions(self) -> list[Expression]:
        """All expressions beside the content, the selection first."""
        optional = [e for e in (self.selection, self.weight, self.truth) if e is not None]
        return [*optional, self.mass, *self.conditions.values()]


def declared(identifiers: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Expressions of event numbers, of which one may be written alone."""
    return (identifiers,) if isinstance(identifiers, str) else None if identifiers is None else tuple(identifiers)


class FileReader:
    """Turns ranges of entries of one file into Events."""

    def __init__(self, table: Table, request: Request, checksum: str, account: Account | None = None) -> None:
        self._table, self._request, self._checksum, self._account = table, request, checksum, account
        self._needed: dict[str, str] = {}
        if table.entries == 0:
            # Writers leave files without events and then without branches; nothing of them is read.
            return
        available = Names(table.names)
        layout = layout_of(table.names, request.layout)
        if request.truth is None and layout.truth is not None and layout.truth[0] in available:
            self._request = request = replace(request, truth=compile_expression(layout.truth[1]))
        try:
            names = [name for e in request.expressions for name in e.branches(available)]
            names += request.content.branches(available)
            self._needed = {name: available[name] for name in names}
        except AnalysisError as error:
            raise type(error)(f"'{table.path}', '{table.tree}': {error}") from None
        measured = [*request.content.branches(available)]
        measured += [] if request.selection is None else request.selection.branches(available)
        places = request.content.positions(available)
        self._measured = tuple(name for name in dict.fromkeys(measured) if name not in places)
        request.units.refuse_unmatched(table.names, table.path)
        self._conversion = Conversion(request.units, self._needed, request.mass, self._measured, table.path)
        self._check = EnergyCheck(request.beam_energy, request.units.default, request.mass.text, table.path)
        self._numbers = EventNumbers(table, request.identifiers, request.layout, checksum=checksum)

    @classmethod
    @contextmanager
    def of_file(cls, path: str, request: Request, account: Account | None = None) -> Iterator[Self]:
        """The reader of a file that is open inside of the block; `account` is told all entries that are read.

        Raises
        ------
        InputFileError, NtupleReadError, TreeNotFoundError, BranchNotFoundError
            As `checksum_for`, `open_table` and expressions whose branches are not there.
        """
        checksum = checksum_for(path, request.checksums)
        table = open_table(path, request.tree, cache_bytes=request.cache, layout=request.layout)
        try:
            yield cls(table, request, checksum, account)
        finally:
            table.close()

    @property
    def entries(self) -> int:
        """Of the file, selected or not."""
        return self._table.entries

    @property
    def columns(self) -> int:
        """Number of columns of the file, read or not."""
        return len(self._table.names)

    def ranges(self) -> list[tuple[int, int]]:
        """Ranges of entries under the memory ceiling; an empty file has one empty range."""
        if self._table.entries == 0:
            return [(0, 0)]
        branches = self._branches()
        budget = self._request.memory - self._request.cache
        event = math.prod(self._request.content.shape) * np.dtype(np.float32).itemsize
        largest = entries_within(budget, self._table.bytes_per_entry(branches), event)
        return plan_chunks(self._table.boundaries(branches), largest) or [(0, 0)]

    def events(self, start: int, stop: int) -> Events:
        """The selected events of a range."""
        request, path = self._request, self._table.path
        if start == stop:
            return self._nothing()
        read = self._table.read(self._branches(), start, stop)
        raw = {name: read[branch] for name, branch in self._needed.items()}
        chunk = Chunk(self._conversion.converted(raw), stop - start)
        try:
            passing = None if request.selection is None else request.selection.passing(chunk)
            mass = self._conversion.mass(raw, chunk, passing)
            x = request.content.values(chunk, passing)
            weights = None if request.weight is None else request.weight.values(chunk, passing, name="weight")
            truth = None if request.truth is None else _as_truth(request.truth, chunk, passing)
            conditions = {name: each.values(chunk, passing, name=name) for name, each in request.conditions.items()}
        except (MissingValueError, ConstituentError, NonFiniteError) as error:
            raise type(error)(f"'{path}', entries {start} to {stop}: {error}") from None
        entry = np.arange(stop - start) if passing is None else np.flatnonzero(passing)
        self._check_units(raw, passing, mass, stop)
        ids = self._numbers.ids(read, start, stop)
        if self._account is not None:
            self._account.add(chunk, request.weight, ids, numbered=len(self._numbers.identifiers) == 3)
        return Events(
            x=x,
            mass=mass,
            columns=request.content.columns,
            weights=np.ones(len(mass)) if weights is None else weights.astype(np.float64),
            ids=ids[entry],
            truth=truth,
            entry=entry,
            sources=(self._source(start, stop, len(mass)),),
            conditions=conditions,
        )

    def units(self, start: int, stop: int) -> dict[str, tuple[str, float]]:
        """Of every branch that is read the unit in the file, and its median in a range, of leading elements, in GeV."""
        read = self._table.read(self._branches(), start, stop)
        found = {}
        for name, branch in self._needed.items():
            column = read[branch]
            first = column if column.offsets is None else column.element(0)
            values = first.values if first.missing is None else first.values[~first.missing]
            unit = self._conversion.unit_of(name, column)
            median = float(np.median(values)) * factor(unit) if len(values) else math.nan
            found[name] = (unit, median)
        return found

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
            sha256=self._checksum if self._table.entries == 0 else self._numbers.checksum,
            start=start,
            identifiers=() if self._table.entries == 0 else self._numbers.identifiers,
            verified=self._verified_by() != "",
            verified_by=self._verified_by(),
            layout=self._request.layout,
        )

    def _verified_by(self) -> str:
        """What agreed: the expected hash of the file, checksums of its own, or nothing that was compared."""
        if self._checksum and isinstance(self._request.checksums, Mapping):
            return SHA256
        return PAGES if self._table.verified else ""

    def _branches(self) -> list[str]:
        """Columns to read, each once."""
        return list(dict.fromkeys((*self._needed.values(), *self._numbers.branches)))

    def _check_units(
        self, raw: dict[str, Column], passing: NDArray[np.bool_] | None, mass: NDArray[np.float64], stop: int
    ) -> None:
        if self._check.open:
            self._check.add(raw, self._conversion, self._measured, passing, mass)
            if stop == self._table.entries:
                self._check.check()


def _as_truth(expression: Expression, chunk: Chunk, passing: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    values = expression.values(chunk, passing, name="truth")
    if values.dtype != np.bool_ and not np.isin(values, (0, 1)).all():
        strange = values[~np.isin(values, (0, 1))][0]
        raise ExpressionError(
            f"truth='{expression.text}' has values such as {strange}, neither 0 nor 1; write a condition that is true "
            f"for signal, such as '{expression.text} == 1'."
        )
    return values.astype(bool)
