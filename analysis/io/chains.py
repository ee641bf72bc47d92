"""The entries of a chain of files, selected or not: where each lies, and how it is numbered."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError, NtupleReadError
from analysis.events import Events, SourceFile
from analysis.io.numbers import EventNumbers
from analysis.io.opening import open_table

log = logging.getLogger(__name__)

_CHUNK = 500_000
_CACHE = 50_000_000


def first_rows(sources: Sequence[SourceFile]) -> NDArray[np.int64]:
    """Row of the chain at which each source begins, (S,)."""
    return np.cumsum([0, *(source.entries for source in sources)], dtype=np.int64)[:-1]


def places_of(sources: Sequence[SourceFile], total: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number of the source and entry in its file, (total,) each, of every row of the chain.

    Without sources all rows are in one unknown file, number -1.
    """
    if not sources:
        return np.full(total, -1, dtype=np.int32), np.arange(total, dtype=np.int64)
    lengths = [source.entries for source in sources]
    file = np.repeat(np.arange(len(sources), dtype=np.int32), lengths)
    shift = np.array([source.start for source in sources]) - first_rows(sources)
    return file, np.arange(total, dtype=np.int64) + np.repeat(shift, lengths)


def numbers_of(events: Events, total: int) -> NDArray[np.uint64]:
    """(total, 3) run, lumi, event of every row of the chain that the events were selected from.

    Those of rows that were not selected are read again from the files. Where a file can not be reached any more, or has
    changed, they stay 0, and the log says so.
    """
    ids = np.zeros((total, 3), dtype=np.uint64)
    order = np.argsort(events.entry, kind="stable")
    sorted_entry, sorted_ids = events.entry[order], events.ids[order]
    for first, source in zip(first_rows(events.sources), events.sources, strict=True):
        low, high = np.searchsorted(sorted_entry, (first, first + source.entries))
        rows = ids[first : first + source.entries]
        if high - low < source.entries:
            _fill(rows, source, sorted_entry[low:high] - first, sorted_ids[low:high])
    ids[events.entry] = events.ids
    return ids


def _fill(
    rows: NDArray[np.uint64], source: SourceFile, selected: NDArray[np.int64], expected: NDArray[np.uint64]
) -> None:
    """Numbers of all entries of one source, if those of the selected ones are still what is expected."""
    if not source.identifiers:
        return
    try:
        for start, part in _read(source):
            rows[start : start + len(part)] = part
        if (rows[selected] != expected).any():
            raise NtupleReadError("its event numbers have changed since it was read", file=source.path)
    except AnalysisError as error:
        rows[:] = 0
        log.warning("'%s': entries that were not selected get no event numbers: %s", source.path, error)


def _read(source: SourceFile) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Numbers of the range of entries in chunks, each with its first row in the range."""
    table = open_table(source.path, source.tree, cache_bytes=_CACHE, layout=source.layout)
    try:
        if table.uuid != source.uuid or table.entries < source.start + source.entries:
            raise NtupleReadError("it is another file now", file=source.path)
        numbers = EventNumbers(table, source.identifiers, source.layout, checksum=source.sha256)
        for start in range(0, source.entries, _CHUNK):
            first, stop = source.start + start, source.start + min(start + _CHUNK, source.entries)
            columns = table.read(numbers.branches, first, stop) if numbers.branches else {}
            yield start, numbers.ids(columns, first, stop)
    finally:
        table.close()
