"""Files of a run that are scored again: their events must get the folds that they had when the classifiers trained."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError
from analysis.events import Events, SourceFile
from analysis.io.chains import first_rows
from analysis.io.checksums import sha256_of
from analysis.io.decoding import decoding
from analysis.io.numbers import BY_ENTRY
from analysis.io.paths import expand, is_remote
from analysis.io.root import open_file
from analysis.io.scores import Scores as StoredScores
from analysis.io.scores import read_scores
from cathode.errors import ConfigError, RunFolderError
from cathode.runtime.run_folder import SCORES

#: Settings that decide which event a row is, or what the classifier sees of it. The others may differ.
_DECISIVE = ("tree", "layout", "units", "mass", "features", "constituents", "identifiers")


def refuse_other_reading(recorded: Any, changed: Any, files: Iterable[str], inputs: Sequence[SourceFile]) -> None:
    """Check that files of the run are read as the run read them; both are sections `data` of an analysis file.

    Raises
    ------
    ConfigError
        Naming the settings that differ, and the file that was in the run.
    """
    keys = [key for key in _DECISIVE if getattr(recorded, key) != getattr(changed, key)]
    keys = [key for key in keys if not _as_found(key, changed, inputs)]
    if not keys:
        return
    for path in expand(files):
        if _in_run(path, inputs):
            names = ", ".join(f"data.{key}" for key in keys)
            raise ConfigError(
                f"--set {names}: '{path}' is one of the files of this run, whose events would become other events or "
                "look different from what the classifiers were trained on. Leave these settings out."
            )


def _as_found(key: str, changed: Any, inputs: Sequence[SourceFile]) -> bool:
    """Whether a setting only names what the run had found by itself."""
    if key == "tree":
        return bool(inputs) and all(source.tree == changed.tree for source in inputs)
    if key == "identifiers":
        known = [source.identifiers for source in inputs if source.entries]
        return bool(known) and all(identifiers == changed.identifiers for identifiers in known)
    return False


def _in_run(path: str, inputs: Sequence[SourceFile]) -> bool:
    if any(_same_place(path, source.path) for source in inputs):
        return True
    try:
        with decoding(path), open_file(path) as file:
            uuid = str(file.file.uuid)
        return any(source.uuid == uuid for source in inputs)
    except AnalysisError:
        return not is_remote(path) and any(source.sha256 == sha256_of(path) for source in inputs if source.sha256)


def _same_place(a: str, b: str) -> bool:
    try:
        return a == b or os.path.samefile(a, b)
    except OSError:
        return False


def refuse_other_folds(run: Path, events: Events, fold: NDArray[np.int64]) -> None:
    """Check that events that were scored in the run have the folds (N,) that they had there.

    Raises
    ------
    RunFolderError
        If one has not: a classifier that has seen it would score it. Also if a file of the run has changed and only
        the position could say which of its events is which.
    """
    if not events.sources or not (run / SCORES).exists():
        return
    stored = read_scores(run / SCORES)
    for number, source in enumerate(events.sources):
        for first, known in zip(first_rows(stored.sources), stored.sources, strict=True):
            if source.same_content(known) or source.uuid == known.uuid != "" or _same_place(source.path, known.path):
                _compare(events, fold, number, stored, known, int(first))


def _compare(
    events: Events, fold: NDArray[np.int64], number: int, stored: StoredScores, known: SourceFile, first: int
) -> None:
    """Rows of one source against those of the same file in the run."""
    source = events.sources[number]
    begin = int(first_rows(events.sources)[number])
    rows = np.flatnonzero((events.entry >= begin) & (events.entry < begin + source.entries))
    place = events.entry[rows] - begin + source.start - known.start
    inside = (place >= 0) & (place < known.entries)
    rows, place = rows[inside], place[inside] + first
    scored = stored.selected[place]
    rows, place = rows[scored], place[scored]
    same = np.isclose(events.mass[rows], stored.columns["mass"][place], rtol=1e-9)
    moved = same & (fold[rows] != stored.columns["fold"][place])
    if moved.any():
        raise RunFolderError(
            f"'{source.path}' was in this run, but {int(moved.sum())} of its {len(moved)} events are now in another "
            "fold, where a classifier that was trained on them would score them. The run was made by a version that "
            "numbered events by their order, or the file or its numbers have changed since. Run the search again."
        )
    if source.identifiers == BY_ENTRY and source.uuid == known.uuid != "" and not same.all():
        raise RunFolderError(
            f"'{source.path}' was in this run and has changed since: {int((~same).sum())} of {len(same)} entries have "
            "another mass, and its events are numbered by their position. Score the file as it was, or run the search "
            "with identifiers that are branches."
        )


def strangers(events: Events, inputs: Sequence[SourceFile]) -> Iterator[str]:
    """What has to be said of files whose events are numbered by position and that were not in the run."""
    paths = [
        source.path
        for source in events.sources
        if source.identifiers == BY_ENTRY and not any(source.same_content(known) for known in inputs)
    ]
    if paths:
        others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield (
            f"'{paths[0]}'{others} was not in the run, and its events are numbered by their position. If it was made "
            "from files of the run (a skim, a merge, a conversion), its events may be scored by classifiers that were "
            "trained on them; only numbers in branches could tell."
        )
