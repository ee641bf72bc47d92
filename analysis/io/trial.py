"""Every expression tried alone on the first entries, so that what fails is known by its name and at once."""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError, TrialError
from analysis.expressions.column import Column
from analysis.expressions.nodes import Branch
from analysis.io.constituents import Constituents
from analysis.io.contents import Features
from analysis.io.feature_store import FeatureStore
from analysis.io.names import Names
from analysis.io.numbers import BY_ENTRY
from analysis.io.opening import open_table
from analysis.io.paths import expand
from analysis.io.reader import FileReader, Request, declared
from analysis.io.reading_options import ReadingOptions
from analysis.io.tables import Table
from analysis.selection import Expression, compile_expression

ROWS = 100
_MEMORY = 200_000_000


@dataclass(frozen=True)
class Trial:
    """What was tried: `rows` entries of the file `path`, of which `selected` pass.

    `units` has of every branch its unit in the file and its median there in GeV.
    """

    path: str
    rows: int
    selected: int
    units: Mapping[str, tuple[str, float]] = field(default_factory=dict)


def try_expressions(options: ReadingOptions) -> Trial:
    """Evaluate each expression alone, with the selection, on the first entries of the first file that has any.

    Raises
    ------
    InputFileError
        If there is no file.
    TrialError
        If an expression is malformed, or fails there as the constituents or the identifiers may, or a file can not be
        read.
    """
    expressions = _compiled(options)
    with _naming("files"):
        store = FeatureStore.among(options.files)
        if store is not None:
            # They were tried on all of it when it was prepared.
            store.require(options)
            return Trial(str(store.path), len(store), len(store))
    paths = expand(options.files)
    requests = _requests(options, expressions)
    for path in paths:
        with _naming("files"):
            table = open_table(path, options.tree, cache_bytes=_MEMORY, layout=options.layout)
        try:
            if table.entries:
                return _tried(table, _knowing_the_mass(requests, expressions["mass"], table))
        finally:
            table.close()
    return Trial(paths[-1], 0, 0)


def _compiled(options: ReadingOptions) -> dict[str, Expression]:
    """The expressions by the names of their options."""
    texts = {name: getattr(options, name) for name in ("selection", "mass", "weight", "truth")}
    features = None if options.constituents is not None else options.expressions
    texts |= {f"features.{name}": text for name, text in (features or {}).items()}
    found: dict[str, Expression] = {}
    for option, text in texts.items():
        if text is not None:
            with _naming(option):
                found[option] = compile_expression(text)
    return found


def _requests(options: ReadingOptions, expressions: Mapping[str, Expression]) -> dict[str, Request]:
    """What is asked to try each option alone, by its name; the selection first."""
    one = Features({"x": compile_expression("1")})
    alone = replace(options, mass="1", weight=None, truth=None, identifiers=BY_ENTRY, beam_energy=None, memory=_MEMORY)
    with _naming("units"):
        bare = Request.of(replace(alone, checksums=False), one)
    requests = {
        "selection": bare,
        "mass": replace(bare, mass=expressions["mass"], beam_energy=options.beam_energy),
        **{n: replace(bare, content=Features({n: e})) for n, e in expressions.items() if n.startswith("features.")},
    }
    if options.constituents is not None:
        requests["constituents"] = replace(bare, content=Constituents.of(options.constituents))
    if "weight" in expressions:
        requests["weight"] = replace(bare, weight=expressions["weight"])
    if "truth" in expressions:
        requests["truth"] = replace(bare, truth=expressions["truth"])
    requests["identifiers"] = replace(bare, identifiers=declared(options.identifiers))
    return requests


def _tried(table: Table, requests: Mapping[str, Request]) -> Trial:
    rows = min(ROWS, table.entries)
    selected = rows
    units: dict[str, tuple[str, float]] = {}
    once = _ReadOnce(table)
    for argument, request in requests.items():
        with _naming(argument):
            reader = FileReader(once, request, "")
            selected = len(reader.events(0, rows))
            units |= reader.units(0, rows)
    return Trial(table.path, rows, selected, units)


class _ReadOnce(Table):
    """A table of which every column is unpacked once, for all that are tried on the same entries."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._columns: dict[tuple[str, int, int], Column] = {}
        self.path, self.tree, self.entries, self.uuid = table.path, table.tree, table.entries, table.uuid
        self.names = table.names

    @property
    def verified(self) -> bool:
        return self._table.verified

    def boundaries(self, names: Collection[str]) -> NDArray[np.int64]:
        return self._table.boundaries(names)

    def bytes_per_entry(self, names: Collection[str]) -> float:
        return self._table.bytes_per_entry(names)

    def read(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        unread = [name for name in names if (name, start, stop) not in self._columns]
        # One call for all of them, which is one request to a remote file.
        if unread:
            self._columns |= {(n, start, stop): c for n, c in self._table.read(unread, start, stop).items()}
        return {name: self._columns[name, start, stop] for name in names}

    def close(self) -> None:
        self._table.close()


def _knowing_the_mass(requests: Mapping[str, Request], mass: Expression, table: Table) -> dict[str, Request]:
    """A branch that is the mass is an energy in all expressions, also where they are tried without it."""
    name = mass.root.name if isinstance(mass.root, Branch) else ""
    if name not in (available := Names(table.names)):
        return dict(requests)
    with _naming("mass"):
        branch = available[name]
    return {
        argument: replace(
            request,
            units=replace(
                request.units, patterns=((glob.escape(branch), request.units.default), *request.units.patterns)
            ),
        )
        for argument, request in requests.items()
    }


@contextmanager
def _naming(argument: str) -> Iterator[None]:
    try:
        yield
    except AnalysisError as error:
        raise TrialError(str(error), argument) from error
