"""Simulated dijet ntuples in the manner of the LHC Olympics R&D sample: `simulate_dijets`."""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.errors import SimulationError
from analysis.outputs import check_output_file
from analysis.simulation.processes import LEADING_JET_PT, Process, process

if TYPE_CHECKING:
    import awkward as ak

LEADING_JET_ETA = 2.5
EVENTS_PER_CHUNK = 500
HOPELESS_AFTER = 5_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chunk:
    """A part of the sample that is simulated on its own."""

    process: Process
    n_events: int
    seed: np.random.SeedSequence
    constituents: bool


def simulate_dijets(
    n_events: int,
    *,
    signal: str | None = None,
    seed: int,
    output: str | os.PathLike[str],
    resonance_mass: float = 3500.0,
    daughter_masses: tuple[float, float] = (500.0, 100.0),
    workers: int = 1,
    constituents: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate `n_events` selected dijet events and write them as a NanoAOD-like ROOT ntuple.

    Proton collisions at 13 TeV from Pythia 8 (Monash tune, no multiple interactions), the response of `cms_like()`,
    anti-kT jets of R = 1.0; an event is kept if its leading jet has pT > 1.2 TeV and |η| < 2.5. The two leading jets
    are stored: tree `Events` with run, luminosityBlock, event, isSignal, FatJet_{pt, eta, phi, mass, tau1, tau2, tau3,
    nConstituents}, energies in GeV, mantissas shortened to 12 bits; run numbers differ between processes and seeds.

    Parameters
    ----------
    signal : None for QCD dijets, "wprime" for W' → X Y → 4 quarks, "zprime_tt" for Z' → t t̄ → 6 quarks.
    resonance_mass, daughter_masses : of W' (or Z'), and of X and Y, in GeV.
    workers : processes to use. The content of the file depends on the seed but not on this number.
    constituents : also write PFCands_{pt, eta, phi, jetIdx}, ordered by jet and falling pT.
    progress : called as progress(events done, n_events).

    Raises
    ------
    SimulationError
        If the optional libraries are missing, a setting makes no sense, or hardly any event passes the selection.
    """
    from analysis.datasets.dijet_ntuple import dijet_ntuple
    from analysis.simulation import extras

    check_output_file(output)
    extras.pythia8()
    extras.fastjet()
    if n_events < 1 or workers < 1:
        raise SimulationError(f"{n_events} events with {workers} workers: both must be at least 1.")
    chosen = process(signal, resonance_mass=resonance_mass, daughter_masses=daughter_masses)
    sizes = [min(EVENTS_PER_CHUNK, n_events - start) for start in range(0, n_events, EVENTS_PER_CHUNK)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    chunks = [Chunk(chosen, size, s, constituents) for size, s in zip(sizes, seeds, strict=True)]

    run = zlib.crc32(repr((chosen, seed)).encode())
    title = f"Pythia 8 {chosen.name} dijets, 13 TeV, fast CMS-like detector; {n_events} events, seed {seed}; GeV"
    done = 0
    with dijet_ntuple(output, title=title, constituents=constituents) as extend, _runner(workers) as run_all:
        for block, events in enumerate(run_all(simulate_chunk, chunks), start=1):
            events["run"] = np.full(len(events), run, np.uint32)
            events["luminosityBlock"] = np.full(len(events), block, np.uint32)
            events["event"] = np.arange(done + 1, done + 1 + len(events), dtype=np.uint64)
            extend(events)
            done += len(events)
            logger.info("%s: %d of %d events", chosen.name, done, n_events)
            if progress is not None:
                progress(done, n_events)
    return Path(output)


def simulate_chunk(chunk: Chunk) -> ak.Array:
    """The selected events of one chunk, (n_events,), with isSignal, FatJet and, if asked for, PFCands."""
    import awkward as ak

    from analysis.simulation.detector import cms_like
    from analysis.simulation.generation import MAXIMUM_SEED, collisions

    pythia_seed = 1 + int(chunk.seed.generate_state(1)[0]) % MAXIMUM_SEED
    rng, detector = np.random.default_rng(chunk.seed), cms_like()
    parts: list[ak.Array] = []
    kept = tried = 0
    for particles, n in collisions(chunk.process, seed=pythia_seed):
        selected = select(detector.respond(particles, n, rng), constituents=chunk.constituents)
        parts.append(selected)
        kept, tried = kept + len(selected), tried + n
        if kept >= chunk.n_events:
            break
        if tried >= HOPELESS_AFTER and kept < 1e-3 * tried:
            raise SimulationError(
                f"{kept} of {tried} '{chunk.process.name}' events have a leading jet above {LEADING_JET_PT:g} GeV; "
                "choose a heavier resonance or lighter daughters."
            )
    events = ak.concatenate(parts)[: chunk.n_events]
    events["isSignal"] = np.full(len(events), chunk.process.is_signal, np.int8)
    return events


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


@contextmanager
def _runner(workers: int) -> Iterator[Callable[[Callable[..., Any], list[Chunk]], Iterator[Any]]]:
    """`map` in this process for one worker, else over a pool of fresh processes; order is kept either way."""
    if workers == 1:
        yield map
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)
