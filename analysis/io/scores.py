"""Scores back into ROOT: a friend tree with one row per entry of the files that the events were read from.

The rows are in the order in which the files were read, which need not be that of another chain of the same files. The
tree `Files` beside the scores lists the files in this order; every row says which of them it belongs to (`file`), which
`entry` of its tree it is, and its run, luminosity block and event number, selected or not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.atomic import atomic_path
from analysis.errors import AnalysisError, OutputError, ScoreAlignmentError, nearest
from analysis.events import Events, SourceFile
from analysis.io.chains import first_rows, numbers_of, places_of
from analysis.io.decoding import decoding
from analysis.io.paths import expand
from analysis.io.root import open_file, open_root
from analysis.outputs import check_output_file

TREE = "Scores"
_INFORMATION = "ScoresInformation"
FILES = "Files"
_VERSION = 2
_NUMBERS = ("run", "luminosityBlock", "event")
_SELECTED = "selected"
_PLACE = ("file", "entry")
_BASKET = 100_000


@dataclass(frozen=True, eq=False)
class Scores:
    """What a score file holds: one row per entry of the chain of `sources`.

    columns : name -> (N,); NaN, or -1 for integers, in entries that were not selected.
    ids : (N, 3) uint64 run, lumi, event; 0 in unselected entries of files that could not be read again.
    selected : (N,) bool.
    sources : the files that the entries belong to, in their order.
    path : the score file.
    """

    columns: Mapping[str, NDArray[Any]]
    ids: NDArray[np.uint64]
    selected: NDArray[np.bool_]
    sources: tuple[SourceFile, ...]
    path: str

    def __len__(self) -> int:
        return len(self.selected)

    def of(self, events: Events) -> dict[str, NDArray[Any]]:
        """The rows of these events, name -> (n,), NaN or -1 for events that were not selected when scored.

        Raises
        ------
        ScoreAlignmentError
            If the events come from other files, or from files that have changed since.
        """
        self._refuse_other_files(events.sources)
        if len(events) and int(events.entry.max()) >= len(self):
            raise ScoreAlignmentError(
                f"'{self.path}' has {len(self)} rows but the events go up to entry {int(events.entry.max())}."
            )
        scored = self.selected[events.entry]
        differs = scored & (self.ids[events.entry] != events.ids).any(axis=1)
        if differs.any():
            row = int(np.argmax(differs))
            raise ScoreAlignmentError(
                f"'{self.path}': {int(differs.sum())} events have other numbers than their scores, first at "
                f"{events.place_of(row)}: (run, lumi, event) = {tuple(map(int, events.ids[row]))} against "
                f"{tuple(map(int, self.ids[events.entry[row]]))}. The files were read in another order, or differ."
            )
        return {name: values[events.entry] for name, values in self.columns.items()}

    def _refuse_other_files(self, sources: tuple[SourceFile, ...]) -> None:
        if len(sources) != len(self.sources):
            raise ScoreAlignmentError(
                f"'{self.path}' belongs to {len(self.sources)} file(s), but the events come from {len(sources)}. Read "
                "exactly the files that were scored."
            )
        for mine, theirs in zip(self.sources, sources, strict=True):
            for what in ("tree", "entries", "uuid", "sha256"):
                known, found = getattr(mine, what), getattr(theirs, what)
                if known != found and known != "" and found != "":
                    raise ScoreAlignmentError(
                        f"'{self.path}' was written for '{mine.path}' with {what} {known}, but '{theirs.path}' has "
                        f"{found}. Score these files, or read the ones that were scored, in the same order."
                    )


def write_scores(
    path: str | os.PathLike[str],
    events: Events,
    columns: Mapping[str, NDArray[Any]],
    *,
    n_entries: int | None = None,
) -> None:
    """Write a friend tree `Scores` (a TTree) for the files that the events come from, atomically.

    columns : name -> (n,) floats, integers or truth values, one per event. Entries that were not selected get NaN, or
    -1 in integers and truth values. Beside them go `run`, `luminosityBlock`, `event`, `file`, `entry` and
    `selected`. The event numbers of unselected entries are read again from the sources.
    n_entries : entries of the chain, where the events do not know their sources.

    Raises
    ------
    ScoreAlignmentError
        If a column has another length than the events, a name is taken or unusable, or the entries do not fit.
    OutputError
        If the file is one of those that the events come from, or can not be written.
    """
    import uproot

    check_output_file(path, inputs=[source.path for source in events.sources])
    total = _chain_length(events, n_entries)
    for name in columns:
        if name in (*_NUMBERS, *_PLACE, _SELECTED) or not name.isidentifier():
            raise ScoreAlignmentError(f"A score can not be called '{name}'; choose another plain name.")
    rows = {name: _spread(name, values, events.entry, total) for name, values in columns.items()}
    rows |= zip(_NUMBERS, numbers_of(events, total).T, strict=True)
    rows |= zip(_PLACE, places_of(events.sources, total), strict=True)
    selected = np.zeros(total, dtype=bool)
    selected[events.entry] = True
    rows[_SELECTED] = selected
    information = {"version": _VERSION, "sources": [asdict(source) for source in events.sources]}
    with atomic_path(path) as temporary, uproot.recreate(temporary) as file:
        # Assigning a dictionary would write an RNTuple, which older ROOT can not befriend.
        tree = file.mktree(TREE, {name: values.dtype for name, values in rows.items()})
        for start in range(0, total, _BASKET):
            tree.extend({name: values[start : start + _BASKET] for name, values in rows.items()})
        _write_files(file, events.sources)
        file[_INFORMATION] = json.dumps(information)


def _write_files(file: Any, sources: Sequence[SourceFile]) -> None:
    """The list of files, with the row of each file's first entry, as a small tree that ROOT can loop over."""
    import awkward as ak

    texts = {name: [str(getattr(source, name)) for source in sources] for name in ("path", "tree", "uuid")}
    numbers = {
        "first": first_rows(sources),
        "start": np.array([source.start for source in sources], dtype=np.int64),
        "entries": np.array([source.entries for source in sources], dtype=np.int64),
    }
    tree = file.mktree(FILES, {**dict.fromkeys(texts, "string"), **dict.fromkeys(numbers, np.dtype(np.int64))})
    if sources:
        tree.extend({name: ak.Array(values) for name, values in texts.items()} | numbers)


def read_scores(path: str | os.PathLike[str]) -> Scores:
    """Read what `write_scores` wrote.

    Raises
    ------
    InputFileError, NtupleReadError, TreeNotFoundError
        If the file is missing, damaged or has no scores.
    ScoreAlignmentError
        If it does not say which files it belongs to.
    """
    (found,) = expand(path)
    table = open_root(found, TREE, cache_bytes=0)
    try:
        raw = {name: column.values for name, column in table.read(table.names, 0, table.entries).items()}
    finally:
        table.close()
    with decoding(found), open_file(found) as file:
        if _INFORMATION not in file:
            raise ScoreAlignmentError(f"'{found}' does not say which files its scores belong to; score them again.")
        information = json.loads(str(file[_INFORMATION]))
        sources = tuple(SourceFile(**source) for source in information["sources"])
    for name in (*_NUMBERS, _SELECTED):
        if name not in raw:
            raise ScoreAlignmentError(f"'{found}' has no branch '{name}' in '{TREE}'. {nearest(name, raw)}")
    ids = np.stack([raw.pop(name).astype(np.uint64) for name in _NUMBERS], axis=1)
    for name in _PLACE:
        raw.pop(name, None)
    return Scores(columns=raw, ids=ids, selected=raw.pop(_SELECTED).astype(bool), sources=sources, path=found)


def refuse_other_content(path: str | os.PathLike[str]) -> None:
    """Refuse to replace a file that is no score file: whoever names it has probably named another by mistake.

    Raises
    ------
    OutputError
        If the file is there, is not empty, and has no scores in it.
    """
    place = Path(path)
    if not place.is_file() or place.stat().st_size == 0:
        return
    try:
        with decoding(str(place)), open_file(str(place)) as file:
            if _INFORMATION in file:
                return
    except AnalysisError:
        pass
    raise OutputError(f"{place} is there and holds no scores; it is left alone. Choose another output, or remove it.")


def _chain_length(events: Events, n_entries: int | None) -> int:
    known = sum(source.entries for source in events.sources) if events.sources else None
    highest = int(events.entry.max()) + 1 if len(events) else 0
    if known is not None and n_entries is not None and known != n_entries:
        raise ScoreAlignmentError(f"The sources have {known} entries, not n_entries={n_entries}.")
    total = known if known is not None else n_entries if n_entries is not None else highest
    if highest > total:
        raise ScoreAlignmentError(f"The events go up to entry {highest - 1}, but the chain has {total} entries.")
    return total


def _spread(name: str, values: NDArray[Any], entry: NDArray[np.int64], total: int) -> NDArray[Any]:
    """Values at their entries, and what stands for "not selected" elsewhere."""
    array = np.asarray(values)
    if len(array) != len(entry) or array.ndim != 1:
        raise ScoreAlignmentError(f"Score '{name}' has the shape {array.shape} for {len(entry)} events.")
    if array.dtype.kind == "f":
        kind: Any = np.float32 if array.dtype.itemsize <= 4 else np.float64
        spread = np.full(total, np.nan, dtype=kind)
    elif array.dtype.kind in "iub":
        spread = np.full(total, -1, dtype=np.int8 if array.dtype.kind == "b" else np.int64)
    else:
        raise ScoreAlignmentError(f"Score '{name}' is of the type {array.dtype}; scores are numbers.")
    spread[entry] = array
    return spread
