"""Every expression tried alone on the first entries, so that what fails is known by its name and at once."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from analysis.errors import AnalysisError, TrialError
from analysis.expressions.nodes import Branch
from analysis.io.constituents import Constituents
from analysis.io.contents import Content, Features
from analysis.io.names import Names
from analysis.io.numbers import BY_ENTRY
from analysis.io.opening import open_table
from analysis.io.paths import Files, expand
from analysis.io.reader import FileReader, Request
from analysis.io.sanity import BEAM_ENERGY
from analysis.io.tables import Table
from analysis.io.units import Declaration, Units
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


def compiled(
    mass: str,
    features: Mapping[str, str] | None = None,
    selection: str | None = None,
    weight: str | None = None,
    truth: str | None = None,
) -> dict[str, Expression]:
    """The expressions by the names of their arguments.

    Raises
    ------
    TrialError
        If one is malformed.
    """
    texts = {"selection": selection, "mass": mass, "weight": weight, "truth": truth}
    texts |= {f"features.{name}": text for name, text in (features or {}).items()}
    found: dict[str, Expression] = {}
    for argument, text in texts.items():
        if text is not None:
            with _naming(argument):
                found[argument] = compile_expression(text)
    return found


def try_expressions(
    files: Files,
    expressions: Mapping[str, Expression],
    *,
    constituents: Constituents | None = None,
    tree: str | None = None,
    layout: str = "auto",
    units: Declaration = "GeV",
    beam_energy: float | None = BEAM_ENERGY,
    identifiers: str | Sequence[str] | None = None,
) -> Trial:
    """Evaluate each expression alone, with the selection, on the first entries of the first file that has any.

    Parameters
    ----------
    expressions : those of `compiled`; the others are arguments of `read_events`.

    Raises
    ------
    InputFileError
        If there is no file.
    TrialError
        If an expression, the constituents or the identifiers fail there, or a file can not be read.
    """
    paths = expand(files)
    with _naming("units"):
        declared = Units.of(units)
    one = compile_expression("1")
    bare = Request(
        mass=one,
        content=Features({"x": one}),
        selection=expressions.get("selection"),
        weight=None,
        truth=None,
        identifiers=BY_ENTRY,
        tree=tree,
        layout=layout,
        units=declared,
        beam_energy=None,
        memory=_MEMORY,
        checksums=False,
    )
    numbers = (identifiers,) if isinstance(identifiers, str) else None if identifiers is None else tuple(identifiers)
    requests = {"selection": bare, "mass": replace(bare, mass=expressions["mass"], beam_energy=beam_energy)}
    requests |= {
        n: replace(bare, content=Features({n: e})) for n, e in expressions.items() if n.startswith("features.")
    }
    if constituents is not None:
        requests["constituents"] = replace(bare, content=_content(constituents))
    if "weight" in expressions:
        requests["weight"] = replace(bare, weight=expressions["weight"])
    if "truth" in expressions:
        requests["truth"] = replace(bare, truth=expressions["truth"])
    requests["identifiers"] = replace(bare, identifiers=numbers)
    for path in paths:
        with _naming("files"):
            table = open_table(path, tree, cache_bytes=_MEMORY, layout=layout)
        try:
            if table.entries:
                return _tried(table, _knowing_the_mass(requests, expressions["mass"], table))
        finally:
            table.close()
    return Trial(paths[-1], 0, 0)


def _content(constituents: Constituents) -> Content:
    return constituents


def _tried(table: Table, requests: Mapping[str, Request]) -> Trial:
    rows = min(ROWS, table.entries)
    selected = rows
    units: dict[str, tuple[str, float]] = {}
    for argument, request in requests.items():
        with _naming(argument):
            reader = FileReader(table, request, "")
            selected = len(reader.events(0, rows))
            units |= reader.units(0, rows)
    return Trial(table.path, rows, selected, units)


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
