"""Simulated dijet ntuples in the manner of the LHC Olympics R&D sample: `simulate_dijets`."""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.errors import SimulationError
from analysis.outputs import check_output_file
from analysis.simulation.parts import enough, folder_beside, in_order, read_events, write_events
from analysis.simulation.processes import LEADING_JET_PT, Process, process
from analysis.tasks import Task, executor, task

if TYPE_CHECKING:
    import awkward as ak

LEADING_JET_ETA = 2.5
EVENTS_PER_CHUNK = 500

logger = logging.getLogger(__name__)


def simulate_dijets(
    n_events: int,
    *,
    signal: str | None = None,
    seed: int,
    output: str | os.PathLike[str],
    resonance_mass: float = 3500.0,
    daughter_masses: tuple[float, float] = (500.0, 100.0),
    shower: str = "simple",
    mhat_min: float = 0.0,
    workers: int = 1,
    constituents: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate `n_events` selected dijet events and write them as a NanoAOD-like ROOT ntuple.

    Proton collisions at 13 TeV from Pythia 8 (Monash tune, no multiple interactions), the response of `cms_like()`,
    anti-kT jets of R = 1.0; an event is kept if its leading jet has pT > 1.2 TeV and |η| < 2.5. The two leading jets
    are stored: tree `Events` with run, luminosityBlock, event, isSignal, FatJet_{pt, eta, phi, mass, tau1, tau2, tau3,
    nConstituents}, energies in GeV, mantissas shortened to 12 bits; run numbers differ between processes and seeds. An
    interrupted call is continued by the same one.

    Parameters
    ----------
    signal : None for QCD dijets, "wprime" for W' → X Y → 4 quarks, "zprime_tt" for Z' → t t̄ → 6 quarks.
    resonance_mass, daughter_masses : of W' (or Z'), and of X and Y, in GeV.
    shower : "simple", which is Pythia's own, or "vincia"; a simulation that differs from data takes the other one.
    mhat_min : of QCD dijets only those whose two partons have at least this mass, GeV; see `process`.
    workers : processes to use. The content of the file depends on the seed but not on this number.
    constituents : also write PFCands_{pt, eta, phi, jetIdx}, ordered by jet and falling pT.
    progress : called as progress(events done, n_events).

    Raises
    ------
    SimulationError
        If the optional libraries are missing, a setting makes no sense, or hardly any event passes the selection.
    """
    from analysis.datasets.dijet_ntuple import dijet_ntuple

    _require(output, n_events, workers)
    chosen = process(
        signal, resonance_mass=resonance_mass, daughter_masses=daughter_masses, shower=shower, mhat_min=mhat_min
    )
    chunks = _chunks(
        n_events,
        signal=signal,
        resonance_mass=resonance_mass,
        daughter_masses=daughter_masses,
        shower=shower,
        mhat_min=mhat_min,
        seed=seed,
        constituents=constituents,
    )
    ntuple = dijet_ntuple(output, title=_title(chosen.name, shower, n_events, seed), constituents=constituents)
    with folder_beside(Path(output), chunks) as folder, ntuple as extend:
        for done, events in _numbered_in_order(in_order(folder, executor(workers), read_events), (chosen, seed)):
            extend(events)
            logger.info("%s: %d of %d events", chosen.name, done, n_events)
            (progress or _unwatched)(done, n_events)
    return Path(output)


def _unwatched(done: int, total: int) -> None:
    """Nobody wants to know."""


def _title(name: str, shower: str, n_events: int, seed: int) -> str:
    generator = "Pythia 8" if shower == "simple" else f"Pythia 8 ({shower} shower)"
    return f"{generator} {name} dijets, 13 TeV, fast CMS-like detector; {n_events} events, seed {seed}; GeV"


def _numbered_in_order(blocks: Iterable[Any], of: tuple[Process, int]) -> Iterator[tuple[int, Any]]:
    """Events of each block with their numbers, and how many there are with them; `of` a process and a seed."""
    run, done = zlib.crc32(repr(of).encode()), 0
    for block, events in enumerate(blocks, start=1):
        numbered = _numbered(events, run, block, done)
        done += len(events)
        yield done, numbered


def _require(output: str | os.PathLike[str], n_events: int, workers: int) -> None:
    """Refuse what could not be simulated or written, before anything is."""
    from analysis.simulation import extras

    check_output_file(output)
    extras.pythia8()
    extras.fastjet()
    if n_events < 1 or workers < 1:
        raise SimulationError(f"{n_events} events with {workers} workers: both must be at least 1.")


def _chunks(n_events: int, **settings: Any) -> list[Task]:
    """The tasks that simulate so many events, a limited number each."""
    return [
        Task.of(simulate_chunk, events=min(EVENTS_PER_CHUNK, n_events - start), chunk=number, **settings)
        for number, start in enumerate(range(0, n_events, EVENTS_PER_CHUNK))
    ]


def _numbered(events: Any, run: int, block: int, before: int) -> Any:
    """Events of one chunk with their numbers, behind so many of the chunks before."""
    events["run"] = np.full(len(events), run, np.uint32)
    events["luminosityBlock"] = np.full(len(events), block, np.uint32)
    events["event"] = np.arange(before + 1, before + 1 + len(events), dtype=np.uint64)
    return events


@task
def simulate_chunk(
    place: Path,
    *,
    signal: str | None,
    resonance_mass: float,
    daughter_masses: Sequence[float],
    shower: str,
    mhat_min: float,
    events: int,
    seed: int,
    chunk: int,
    constituents: bool,
) -> int:
    """Simulate a part of a sample on its own: its events, with isSignal, FatJet and, if asked for, PFCands."""
    from analysis.simulation.detector import cms_like
    from analysis.simulation.generation import MAXIMUM_SEED, collisions

    heavy, light = daughter_masses
    chosen = process(
        signal, resonance_mass=resonance_mass, daughter_masses=(heavy, light), shower=shower, mhat_min=mhat_min
    )
    stream = np.random.SeedSequence(seed, spawn_key=(chunk,))
    pythia_seed = 1 + int(stream.generate_state(1)[0]) % MAXIMUM_SEED
    rng, detector = np.random.default_rng(stream), cms_like()
    selected = (
        (select(detector.respond(particles, n, rng), constituents=constituents), n)
        for particles, n in collisions(chosen, seed=pythia_seed)
    )
    passing = f"have a leading jet above {LEADING_JET_PT:g} GeV; choose a heavier resonance or lighter daughters"
    found = enough(selected, events, of=chosen.name, passing=passing)
    found["isSignal"] = np.full(len(found), chosen.is_signal, np.int8)
    write_events(place, found)
    return len(found)


def select(objects: ak.Array, *, constituents: bool) -> ak.Array:
    """Events whose leading jet passes the selection, with FatJet and, if asked for, PFCands of the two leading jets."""
    import awkward as ak

    from analysis.datasets.dijet_ntuple import shorten_records
    from analysis.simulation.jets import leading_jets, substructure

    jets, members = leading_jets(objects)
    enough = ak.num(jets) >= 2
    jets, members = jets[enough], members[enough]
    hard = (jets.pt[:, 0] > LEADING_JET_PT) & (abs(jets.eta[:, 0]) < LEADING_JET_ETA)
    jets, members = jets[hard], members[hard]
    events = ak.zip({"FatJet": shorten_records(substructure(jets, members))}, depth_limit=1)
    if constituents:
        index, _ = ak.broadcast_arrays(ak.local_index(members, axis=1), members.pt)
        flat = ak.flatten(ak.with_field(members, index, "jetIdx"), axis=2)
        events["PFCands"] = shorten_records(flat)
    return events
