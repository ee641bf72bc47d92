"""Proton collisions from Pythia 8, in batches of flat arrays."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import awkward as ak
import numpy as np

from analysis.errors import SimulationError
from analysis.simulation.extras import fastjet, pythia8
from analysis.simulation.particles import Particles
from analysis.simulation.processes import LEADING_JET_PT, Process

EVENTS_PER_BATCH = 100
MAXIMUM_SEED = 900_000_000

# Most QCD events have jets far below the selection. An event is below acceptance if its hardest parton-level jet is
# softer than the cut on the measured jet by these margins, GeV. The shower is interrupted at EARLY_SCALE, GeV, to look,
# and the event is looked at again before hadronisation.
EARLY_SCALE = 40.0
EARLY_MARGIN = 140.0
PARTON_MARGIN = 130.0
PARTON_ETA = 2.8


def collisions(process: Process, *, seed: int) -> Iterator[tuple[Particles, int]]:
    """Endless batches of (stable particles, number of events) of a process, as `records` makes them."""
    for batch in records(process, seed=seed):
        yield stable_particles(batch)


def records(process: Process, *, seed: int) -> Iterator[ak.Array]:
    """Endless batches of Pythia's event records of a process; `seed` from 1 to 900,000,000.

    For processes that are `soft`, events whose hardest parton-level jet can not pass the later cut on the leading jet
    are dropped before they are completed.

    Raises
    ------
    SimulationError
        If a library is missing or Pythia refuses a setting.
    """
    library = pythia8()
    generator = library.Pythia("", False)
    for setting in (*process.settings, f"Random:seed = {seed}"):
        if not generator.readString(setting):
            raise SimulationError(f"Pythia refused the setting '{setting}' of process '{process.name}'.")
    # Pythia holds no Python reference to the hook: this variable keeps it alive for as long as events are drawn.
    hook = _parton_filter(library) if process.soft else None
    if hook is not None:
        generator.setUserHooksPtr(hook)
    with on_stderr():
        ready = generator.init()
    if not ready:
        raise SimulationError(f"Pythia could not be initialised for process '{process.name}'; see its messages.")
    while True:
        yield generator.nextBatch(EVENTS_PER_BATCH)


def stable_particles(batch: ak.Array) -> tuple[Particles, int]:
    """Final-state particles of Pythia's event records, and the number of events."""
    records = batch["prt"]
    final = records[records.status > 0]
    flat = ak.flatten(final)
    vertex = flat["vProd"]
    millimetre = 1e-3
    x, y, z = (ak.to_numpy(ak.fill_none(vertex[name], 0.0)) * millimetre for name in ("px", "py", "pz"))
    px, py, pz, energy = (ak.to_numpy(flat["p"][name]) for name in ("px", "py", "pz", "e"))
    event = np.repeat(np.arange(len(final)), ak.to_numpy(ak.num(final)))
    return Particles(event, ak.to_numpy(flat["id"]), px, py, pz, energy, x, y, z), len(final)


@contextmanager
def on_stderr() -> Iterator[None]:
    """Send what libraries in C and C++ print to stderr inside of the block: Vincia's banner can not be switched off."""
    import ctypes

    library = ctypes.CDLL(None)
    sys.stdout.flush()
    library.fflush(None)
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        library.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def _parton_filter(library: ModuleType) -> Any:
    """A Pythia user hook that stops events whose partons hold no jet close to the cut."""
    clustering = fastjet()
    definition = clustering.JetDefinition(clustering.antikt_algorithm, 1.0)

    def below_acceptance(event: Any, minimum_pt: float) -> bool:
        partons = [particle for particle in event if particle.isFinal()]
        # Momentum balance: no jet has more than half of the scalar sum. This spares most events the clustering.
        if sum(parton.pT() for parton in partons) < 2 * minimum_pt:
            return True
        momenta = [clustering.PseudoJet(p.px(), p.py(), p.pz(), p.e()) for p in partons]
        jets = clustering.ClusterSequence(momenta, definition).inclusive_jets(minimum_pt)
        return not any(abs(jet.eta()) < PARTON_ETA for jet in jets)

    class PartonFilter(library.UserHooks):  # type: ignore[name-defined, misc]
        def canVetoPT(self) -> bool:  # noqa: N802
            return True

        def scaleVetoPT(self) -> float:  # noqa: N802
            return EARLY_SCALE

        def doVetoPT(self, position: int, event: Any) -> bool:  # noqa: N802
            return below_acceptance(event, LEADING_JET_PT - EARLY_MARGIN)

        def canVetoPartonLevel(self) -> bool:  # noqa: N802
            return True

        def doVetoPartonLevel(self, event: Any) -> bool:  # noqa: N802
            return below_acceptance(event, LEADING_JET_PT - PARTON_MARGIN)

    return PartonFilter()
