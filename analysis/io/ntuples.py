"""Ntuples to `Events`: ROOT (TTree, RNTuple), HDF5, parquet and numpy, in chunks under a memory ceiling."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.errors import EmptySelectionError, ExpressionError
from analysis.events import Events
from analysis.feature_names import check_feature_names
from analysis.io.checksums import Checksums, checksum_for
from analysis.io.chunks import parse_memory
from analysis.io.constituents import Constituents
from analysis.io.contents import Content, Features
from analysis.io.duplicates import refuse_copies, refuse_duplicates
from analysis.io.failures import SKIPPED, Failures, left_out
from analysis.io.manifests import read_manifest
from analysis.io.opening import open_table
from analysis.io.paths import Files, expand, expand_listed, refuse_hard_links
from analysis.io.reader import FileReader, Request
from analysis.io.sanity import BEAM_ENERGY
from analysis.io.tables import Table
from analysis.io.units import Declaration, Units
from analysis.selection import compile_expression


@dataclass(frozen=True)
class ReadProgress:
    """How far the reading is: `entry` of `entries` in file number `file` (from 0) of `files`."""

    path: str
    file: int
    files: int
    entry: int
    entries: int

    @property
    def fraction(self) -> float:
        """Of all files, each counted alike."""
        return (self.file + (self.entry / self.entries if self.entries else 1.0)) / self.files


Progress = Callable[[ReadProgress], None]


def read_events(
    files: Files,
    *,
    mass: str,
    features: Mapping[str, str] | None = None,
    constituents: Constituents | None = None,
    selection: str | None = None,
    tree: str | None = None,
    layout: str = "auto",
    units: Declaration = "GeV",
    beam_energy: float | None = BEAM_ENERGY,
    weight: str | None = None,
    truth: str | None = None,
    identifiers: str | Sequence[str] | None = None,
    memory: str | int = "200 MB",
    checksums: Checksums | str | os.PathLike[str] = False,
    on_error: str = "stop",
    max_failed_fraction: float = 0.0,
    progress: Progress | None = None,
) -> Events:
    """Read the selected events of all files.

    Parameters
    ----------
    files : path, pattern or list of them; the format is told by the suffix (.root, .h5, .parquet, .npz, .npy).
    mass : expression of the resonant variable, in GeV.
    features : column name -> expression; or instead of it
    constituents : the particles of the leading jets, so that `x` is (N, jets, particles, 3) with columns pt, eta, phi.
    selection : condition on events; None takes all. Expressions are described in `analysis.selection`.
    tree : name of the tree; None takes the only one, or Events, CollectionTree or EventData.
    layout : "nanoaod", "physlite", "flat" or "auto"; decides names of branches and of the event numbers. "lhco" is a
        features file of the LHC Olympics, whose data frame `tree` names and whose truth is its label;
        "calochallenge" is a file of showers, whose geometry `tree` names (`analysis.datasets.shower_table`).
    units : "GeV", "MeV", "TeV" or "none": what the file has in the mass and in branches named like energies, momenta or
        masses; or a mapping {"default": "MeV", "*_tau*": "none"} of patterns, the last that matches deciding. See
        `analysis.io.units`.
    beam_energy : GeV of one beam; selected events whose median momentum is above, or whose jets are far below, are
        refused as a wrong unit. None leaves this check out.
    weight : expression of the event weight, of either sign; None is 1.
    truth : expression that is 1 or True for signal; None where nobody knows.
    identifiers : expressions of (run, lumi, event), (run, event) or (event); None takes those of the layout; "entry"
        numbers the events by their file, known by its content, and their position in it. A skim or a merged file has
        other positions.
    memory : ceiling for what one chunk takes while it is read; the selected events come on top.
    checksums : True records the SHA-256 of every file, a mapping of path or file name verifies it, as does the path of
        a manifest that `analysis.io.manifests.write_manifest` or `sha256sum` wrote.
    on_error : "stop" at the first file that can not be read, or "skip" it: it stays in `Events.sources`, without
        entries and with the reason. A file without entries is no error.
    max_failed_fraction : of the files that may be skipped; by default none, so that one more is an error.
    progress : called after every chunk.

    Raises
    ------
    InputFileError, NtupleReadError, TreeNotFoundError, BranchNotFoundError
        If files, trees or branches are missing or damaged.
    ExpressionError, MissingValueError, NonFiniteError
        If an expression is wrong, or has no finite value in a selected event; or neither features nor constituents are
        asked for, or both.
    ConstituentError
        If constituents do not fit their jets.
    UnitsError, IdentifierError, EmptySelectionError
        If momenta can not be in the declared unit, events are not numbered or numbered twice, or none is selected.
    """
    events = joined(
        iterate_events(
            files,
            mass=mass,
            features=features,
            constituents=constituents,
            selection=selection,
            tree=tree,
            layout=layout,
            units=units,
            beam_energy=beam_energy,
            weight=weight,
            truth=truth,
            identifiers=identifiers,
            memory=memory,
            checksums=checksums,
            on_error=on_error,
            max_failed_fraction=max_failed_fraction,
            progress=progress,
        )
    )
    if len(events) == 0:
        entries = sum(source.entries for source in events.sources)
        why = f"passes the selection '{selection}'" if selection else "is there"
        raise EmptySelectionError(f"None of {entries} entries in {len(events.sources)} file(s) {why}.")
    return events


def iterate_events(
    files: Files,
    *,
    mass: str,
    features: Mapping[str, str] | None = None,
    constituents: Constituents | None = None,
    selection: str | None = None,
    tree: str | None = None,
    layout: str = "auto",
    units: Declaration = "GeV",
    beam_energy: float | None = BEAM_ENERGY,
    weight: str | None = None,
    truth: str | None = None,
    identifiers: str | Sequence[str] | None = None,
    memory: str | int = "200 MB",
    checksums: Checksums | str | os.PathLike[str] = False,
    on_error: str = "stop",
    max_failed_fraction: float = 0.0,
    progress: Progress | None = None,
) -> Iterator[Events]:
    """Read the selected events chunk by chunk, with the arguments and errors of `read_events`.

    Each part has one range of one file as its source, and may be empty. `Events.concatenate` of all parts gives what
    `read_events` gives, and `joined` too; only these look for copies of files and duplicates of events, and only
    `read_events` refuses an empty selection.
    """
    request = Request(
        mass=compile_expression(mass),
        content=_content(features, constituents),
        selection=None if selection is None else compile_expression(selection),
        weight=None if weight is None else compile_expression(weight),
        truth=None if truth is None else compile_expression(truth),
        identifiers=_declared(identifiers),
        tree=tree,
        layout=layout,
        units=Units.of(units),
        beam_energy=beam_energy,
        memory=parse_memory(memory),
        checksums=read_manifest(checksums) if isinstance(checksums, str | os.PathLike) else checksums,
    )
    failures = Failures(on_error, max_failed_fraction)
    paths = expand_listed(files) if failures.skip else expand(files)
    return _iterate(paths, request, failures, progress)


def joined(parts: Iterable[Events]) -> Events:
    """All parts of one reading as the events of their chain, which may be none.

    Raises
    ------
    InputFileError, IdentifierError
        If a file or an event was read twice.
    """
    events = Events.concatenate(list(parts))
    refuse_hard_links(dict.fromkeys(source.path for source in events.sources))
    refuse_copies(events.sources)
    refuse_duplicates(events)
    return events


# What a closed ROOT file leaves behind in reference cycles, until the garbage collector happens to come by.
_BYTES_PER_BRANCH = 8_000


def _content(features: Mapping[str, str] | None, constituents: Constituents | None) -> Content:
    if (features is None) == (constituents is None):
        what = "Neither features nor constituents are" if features is None else "Both features and constituents are"
        raise ExpressionError(f"{what} asked for; events are made of one of them.")
    if constituents is not None:
        return constituents
    check_feature_names(features or {})
    return Features({name: compile_expression(text) for name, text in (features or {}).items()})


def _declared(identifiers: str | Sequence[str] | None) -> tuple[str, ...] | None:
    return (identifiers,) if isinstance(identifiers, str) else None if identifiers is None else tuple(identifiers)


def _iterate(paths: Sequence[str], request: Request, failures: Failures, progress: Progress | None) -> Iterator[Events]:
    garbage = 0
    for number, path in enumerate(paths):
        table: Table | None = None
        # Of a file that may be left out nothing is handed on before all of it could be read.
        parts: list[Events] = []
        try:
            checksum = checksum_for(path, request.checksums)
            table = open_table(path, request.tree, cache_bytes=request.cache, layout=request.layout)
            reader = FileReader(table, request, checksum)
            for start, stop in reader.ranges():
                if failures.skip:
                    parts.append(reader.events(start, stop))
                else:
                    yield reader.events(start, stop)
                if progress is not None:
                    progress(ReadProgress(path, number, len(paths), stop, table.entries))
            garbage += _BYTES_PER_BRANCH * len(table.names)
            del reader
        except SKIPPED as error:
            failures.add(path, error, len(paths))
            parts = [left_out(path, error, request.content, truth=request.truth is not None)]
        finally:
            if table is not None:
                table.close()
        yield from parts
        if garbage > request.memory // 8:
            del table
            gc.collect()
            garbage = 0
