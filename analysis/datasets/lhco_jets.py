"""Raw files of the LHC Olympics into an ntuple of clustered jets, chunk by chunk and resumable."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import awkward as ak

from analysis.atomic import atomic_path, write_text
from analysis.datasets.dijet_ntuple import dijet_ntuple
from analysis.datasets.lhco import EVENTS_PER_CHUNK, Progress, RawEvents, cluster, iterate_lhco_raw
from analysis.outputs import check_output_file, check_output_folder

ALL_CONSTITUENTS = 279
EVENTS_PER_BASKET = 20_000
_FORMAT = 1
_SETTINGS = "settings.json"

logger = logging.getLogger(__name__)


def convert_lhco_raw(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    constituents: int | None = None,
    trigger: float | None = None,
    chunk: int = EVENTS_PER_CHUNK,
    key: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Cluster a raw file into large jets and write the NanoAOD-like ntuple that `simulate_dijets` writes.

    Anti-kT jets of R = 1.0 above 20 GeV, the two hardest of each event with N-subjettiness; GeV. The branches are those
    of `analysis.datasets.dijet_ntuple`; event = row of the raw file + 1, run and luminosity block 1; isSignal is -1 if
    the file has no labels. Chunks that are done are kept in a folder beside `output` until it is complete: the same
    call goes on where an interrupted one stopped.

    Parameters
    ----------
    constituents : also write the particles of the two jets, so many of the hardest of each; no jet of the public files
        has more than 279. `read_events` reads them with `Constituents(leading=…)`.
    trigger : keep only events with a jet above so many GeV of pT; the public sample was selected at 1200.
    chunk : events that are clustered at once.
    progress : called as progress("cluster", events done, events).

    Raises
    ------
    InputFileError
        If the file is not a raw file.
    SimulationError
        If FastJet, of the optional simulation libraries, is not installed.
    """
    target = Path(output)
    parts = Path(f"{target}.parts")
    check_output_file(target, inputs=[path])
    check_output_folder(parts, inputs=[path], ours=_is_part)
    finished: list[Path] = []
    for raw in iterate_lhco_raw(path, chunk=chunk, key=key):
        if not finished:
            _open_parts(parts, _settings(path, constituents, trigger, chunk, key))
        part = parts / f"{raw.first:09d}.parquet"
        if not part.is_file():
            _write_part(part, raw, constituents, trigger)
        finished.append(part)
        if progress is not None:
            progress("cluster", raw.first + len(raw.truth), raw.total)
    title = f"LHC Olympics raw file {Path(path).name}, anti-kT R = 1.0; GeV"
    with dijet_ntuple(target, title=title, constituents=constituents is not None) as extend:
        for rows in _baskets(finished):
            extend(rows)
    shutil.rmtree(parts)
    return target


def _is_part(entry: Path) -> bool:
    """Whether something is what this module keeps beside an unfinished output."""
    return entry.name == _SETTINGS or re.fullmatch(r"\d{9,}\.parquet", entry.name) is not None


def _settings(
    path: str | os.PathLike[str], constituents: int | None, trigger: float | None, chunk: int, key: str | None
) -> str:
    """All that the parts depend on, as text."""
    source = Path(path)
    settings = {
        "format": _FORMAT,
        "file": source.name,
        "bytes": source.stat().st_size,
        "modified": source.stat().st_mtime_ns,
        "key": key,
        "chunk": chunk,
        "constituents": constituents,
        "trigger": trigger,
    }
    return json.dumps(settings, indent=2)


def _open_parts(parts: Path, settings: str) -> None:
    """A folder with parts of these settings, or an empty one."""
    stated = parts / _SETTINGS
    if stated.is_file() and stated.read_text(encoding="utf-8") == settings:
        logger.info("Going on with %d chunks in %s", len(list(parts.glob("*.parquet"))), parts)
        return
    for part in parts.glob("*.parquet"):
        part.unlink()
    parts.mkdir(parents=True, exist_ok=True)
    write_text(stated, settings)


def _write_part(part: Path, raw: RawEvents, constituents: int | None, trigger: float | None) -> None:
    rows = cluster(raw, constituents=constituents)
    if trigger is not None:
        # The jets are in falling pT; an event without jets has none above anything.
        rows = rows[ak.fill_none(ak.firsts(rows["FatJet"]["pt"]) > trigger, False)]
    with atomic_path(part) as temporary:
        ak.to_parquet(ak.to_packed(rows), temporary)


def _baskets(parts: list[Path]) -> Iterator[ak.Array]:
    """The rows of all parts, joined to about EVENTS_PER_BASKET."""
    waiting: list[ak.Array] = []
    for part in parts:
        waiting.append(ak.from_parquet(part))
        if sum(map(len, waiting)) >= EVENTS_PER_BASKET:
            yield ak.concatenate(waiting)
            waiting = []
    if waiting:
        yield ak.concatenate(waiting)
