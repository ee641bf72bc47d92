"""Ntuples to `Events`: ROOT (TTree, RNTuple), HDF5, parquet and numpy, in chunks under a memory ceiling."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analysis.errors import EmptySelectionError, ExpressionError, FeatureStoreError
from analysis.events import Events
from analysis.feature_names import check_feature_names
from analysis.io.constituents import Constituents
from analysis.io.contents import Content, Features
from analysis.io.duplicates import refuse_copies, refuse_duplicates
from analysis.io.failures import SKIPPED, Failures, left_out
from analysis.io.feature_store import FeatureStore
from analysis.io.paths import expand, expand_listed, refuse_hard_links
from analysis.io.reader import FileReader, Request
from analysis.io.reading_options import ReadingOptions, said, taking
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


@dataclass(frozen=True)
class Reading(ReadingOptions):
    """One reading of files: what to read, and whom to tell about it.

    Conditions are no option of an analysis file: a search draws its template at masses alone.
    """

    conditions: Mapping[str, str] | None = field(
        default=None,
        kw_only=True,
        metadata=said(
            "name -> expression of what else is given of an event beside its mass, such as angle or class: further "
            "columns of `Events.context`"
        ),
    )
    progress: Progress | None = field(
        default=None, kw_only=True, metadata=said("called with a `ReadProgress` after every chunk")
    )


@taking(Reading)
def read_events(reading: Reading) -> Events:
    """Read the selected events of all files, with the arguments of `ReadingOptions` and a `progress`.

    Expressions are described in `analysis.selection`.

    With `constituents`, `x` is (N, jets, particles, 3) with columns pt, eta, phi.

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
    events = joined(_chunks(reading))
    if len(events) == 0:
        entries = sum(source.entries for source in events.sources)
        why = f"passes the selection '{reading.selection}'" if reading.selection else "is there"
        raise EmptySelectionError(f"None of {entries} entries in {len(events.sources)} file(s) {why}.")
    return events


@taking(Reading)
def iterate_events(reading: Reading) -> Iterator[Events]:
    """Read the selected events chunk by chunk, with the arguments and errors of `read_events`.

    Each part has one range of one file as its source, and may be empty. `Events.concatenate` of all parts gives what
    `read_events` gives, and `joined` too; only these look for copies of files and duplicates of events, and only
    `read_events` refuses an empty selection.
    """
    return _chunks(reading)


def joined(parts: Iterable[Events]) -> Events:
    """All parts of one reading as the events of their chain, which may be none.

    Raises
    ------
    InputFileError, IdentifierError
        If a file or an event was read twice.
    """
    events = Events.gathered(parts)
    refuse_hard_links(dict.fromkeys(source.path for source in events.sources))
    refuse_copies(events.sources)
    refuse_duplicates(events)
    return events


# What a closed ROOT file leaves behind in reference cycles, until the garbage collector happens to come by.
_BYTES_PER_BRANCH = 8_000


def _chunks(reading: Reading) -> Iterator[Events]:
    conditions = {name: compile_expression(text) for name, text in (reading.conditions or {}).items()}
    content = content_of(reading)
    request = replace(Request.of(reading, content), conditions=conditions)
    failures = Failures(reading.on_error, reading.max_failed_fraction)
    store = FeatureStore.among(reading.files)
    if store is not None:
        return _stored(store, reading, content, failures)
    paths = expand_listed(reading.files) if failures.skip else expand(reading.files)
    return _iterate(paths, request, failures, reading.progress)


def _stored(store: FeatureStore, reading: Reading, content: Content, failures: Failures) -> Iterator[Events]:
    if reading.conditions:
        raise FeatureStoreError(f"'{store.path}' holds no conditions; read the original files instead.")
    for number, events in enumerate(store.parts(reading, content, failures)):
        yield events
        if reading.progress is not None:
            entries = sum(source.entries for source in events.sources)
            path = events.sources[0].path
            reading.progress(ReadProgress(path, number, len(store.files), entries, entries))


def content_of(reading: ReadingOptions) -> Content:
    """What the `x` of an event is made of.

    Raises
    ------
    ExpressionError, FeatureNameError
        If neither or both are asked for, or an expression is malformed.
    """
    features, constituents = reading.expressions, reading.constituents
    if (features is None) == (constituents is None):
        what = "Neither features nor constituents are" if features is None else "Both features and constituents are"
        raise ExpressionError(f"{what} asked for; events are made of one of them.")
    if constituents is not None:
        return Constituents.of(constituents)
    check_feature_names(features or {})
    return Features({name: compile_expression(text) for name, text in (features or {}).items()})


def _iterate(paths: Sequence[str], request: Request, failures: Failures, progress: Progress | None) -> Iterator[Events]:
    garbage = 0
    for number, path in enumerate(paths):
        # Of a file that may be left out nothing is handed on before all of it could be read.
        parts: list[Events] = []
        try:
            with FileReader.of_file(path, request) as reader:
                for start, stop in reader.ranges():
                    if failures.skip:
                        parts.append(reader.events(start, stop))
                    else:
                        yield reader.events(start, stop)
                    if progress is not None:
                        progress(ReadProgress(path, number, len(paths), stop, reader.entries))
                garbage += _BYTES_PER_BRANCH * reader.columns
            del reader
        except SKIPPED as error:
            failures.add(path, error, len(paths))
            parts = [left_out(path, error, request.content, truth=request.truth is not None)]
        yield from parts
        if garbage > request.memory // 8:
            gc.collect()
            garbage = 0
