"""The LHC Olympics 2020 R&D files (Kasieczka, Nachman, Shih, doi:10.5281/zenodo.6466204) in our terms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from analysis.datasets.dijet_ntuple import shorten_records
from analysis.errors import InputFileError
from analysis.events import Events
from analysis.features.dijets import DIJET_FEATURES, DIJET_MASS
from analysis.io.ntuples import read_events
from analysis.io.pandas_hdf import open_frame

PARTICLES = 700
RAW_COLUMNS = 3 * PARTICLES
EVENTS_PER_CHUNK = 2_000
UNKNOWN_TRUTH = -1

Progress = Callable[[str, float, float], None]


def read_lhco_features(
    path: str | os.PathLike[str],
    *,
    mass: str = DIJET_MASS,
    features: Mapping[str, str] = DIJET_FEATURES,
    selection: str | None = None,
    key: str | None = None,
) -> Events:
    """Events of a features file (R&D v2, three-pronged signal, extra QCD).

    The file's columns pxj1, pyj1, pzj1, mj1, tau1j1, tau2j1, tau3j1, the same for j2, and label (if there is one)
    become the branches FatJet_{pt, eta, phi, mass, tau1, tau2, tau3} of an ntuple; `mass`, `features` and `selection`
    are expressions on these, evaluated exactly as for ROOT files. GeV. The event number is the row in the file plus 1,
    the truth is label == 1. `read_events(…, layout="lhco")` is the same with all its other arguments.

    Raises
    ------
    InputFileError
        If the file is not a pandas data frame in HDF5.
    BranchNotFoundError
        If a column is missing.
    EmptySelectionError
        If no event passes.
    """
    if not os.path.isfile(path):
        raise InputFileError(f"{path} does not exist.")
    return read_events(path, mass=mass, features=features, selection=selection, tree=key, layout="lhco")


@dataclass(frozen=True, eq=False)
class RawEvents:
    """A range of events of a raw file.

    `particles` (N, 700, 3) are pT in GeV, η, φ of massless particles, all zero where there is none; `truth` (N,) is 1
    for signal, 0 for background, -1 if the file does not say; `first` is the row of the first of `total` events.
    """

    particles: NDArray[np.float64]
    truth: NDArray[np.int8]
    first: int
    total: int


def iterate_lhco_raw(
    path: str | os.PathLike[str], *, chunk: int = EVENTS_PER_CHUNK, key: str | None = None
) -> Iterator[RawEvents]:
    """Events of a raw file in ranges of `chunk` (34 MB per thousand).

    Raises
    ------
    InputFileError
        If the file is not a pandas data frame of 2100 or 2101 columns in HDF5.
    """
    frame = open_frame(path, key)
    labelled = len(frame.columns) == RAW_COLUMNS + 1
    if not labelled and len(frame.columns) != RAW_COLUMNS:
        raise InputFileError(
            f"{path} has {len(frame.columns)} columns; raw files have {RAW_COLUMNS} (700 particles of pT, eta, phi) "
            "and possibly a label."
        )
    for start in range(0, frame.rows, chunk):
        rows = frame.read(frame.columns, start, start + chunk)
        truth = rows[:, -1] if labelled else np.full(len(rows), UNKNOWN_TRUTH)
        particles = rows[:, :RAW_COLUMNS].reshape(-1, PARTICLES, 3)
        yield RawEvents(particles, truth.astype(np.int8), start, frame.rows)


def _present(particles: NDArray[Any]) -> ak.Array:
    """Jagged massless objects of the padded array: those with momentum."""
    there = particles[..., 0] > 0
    flat = ak.zip({name: particles[there][:, i] for i, name in enumerate(("pt", "eta", "phi"))})
    return ak.unflatten(flat, there.sum(axis=1))


def cluster(raw: RawEvents, *, constituents: int | None = None) -> ak.Array:
    """Anti-kT jets of R = 1.0 above 20 GeV of raw events: the rows of the NanoAOD-like ntuple, one for each event.

    FatJet (N, ≤ 2) are the two hardest with N-subjettiness; PFCands (N, var), if asked for, are up to `constituents` of
    the hardest particles of each, jet by jet in falling pT, with jetIdx. `event` is the row of the raw file + 1.

    Raises
    ------
    SimulationError
        If FastJet is not installed.
    """
    from analysis.simulation.jets import leading_jets, substructure

    jets, members = leading_jets(_present(raw.particles))
    n = len(jets)
    fields = {"FatJet": shorten_records(substructure(jets, members)), "isSignal": raw.truth}
    if constituents is not None:
        fields["PFCands"] = _candidates(members[:, :, :constituents])
    rows = ak.zip(fields, depth_limit=1)
    rows["run"] = np.ones(n, np.uint32)
    rows["luminosityBlock"] = np.ones(n, np.uint32)
    rows["event"] = np.arange(raw.first + 1, raw.first + n + 1, dtype=np.uint64)
    return rows


def _candidates(members: ak.Array) -> ak.Array:
    """Particles of all jets of an event in one list, with the position of their jet."""
    jet = ak.broadcast_arrays(ak.local_index(members, axis=1), members["pt"])[0]
    particles = ak.zip({name: members[name] for name in ("pt", "eta", "phi")} | {"jetIdx": jet})
    return shorten_records(ak.flatten(particles, axis=2))
