"""Signal hidden among background: how the shipped dijet ntuples are drawn from larger files, mixed and numbered."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
import vector

from analysis.datasets.dijet_ntuple import TREE
from analysis.errors import EmptySelectionError
from analysis.io.checksums import sha256_of

WINDOW = (3300.0, 3700.0)
EVENTS_PER_LUMINOSITY_BLOCK = 1_000

PROCESS = (
    "Pythia 8.317, pp 13 TeV, Monash, no multiple interactions; fast CMS-like detector response; "
    "anti-kT R = 1.0, leading jet pT > 1.2 TeV, |eta| < 2.5, two leading jets"
)
SIGNAL = "W'(3.5 TeV) -> X(500 GeV) Y(100 GeV) -> 4 quarks"


def draw(
    path: str | os.PathLike[str],
    n: int,
    rng: np.random.Generator,
    *,
    masses: tuple[float, float],
    collections: Sequence[str] = ("FatJet",),
) -> ak.Array:
    """`n` random events of a file with m_jj inside of `masses` (GeV), as records with `collections` and isSignal.

    Raises
    ------
    EmptySelectionError
        If the file has fewer.
    """
    with uproot.open({str(path): TREE}) as tree:
        flat = tree.arrays()
    rows = {"isSignal": flat["isSignal"]}
    for collection in collections:
        prefix = f"{collection}_"
        rows[collection] = ak.zip({f.removeprefix(prefix): flat[f] for f in flat.fields if f.startswith(prefix)})
    records = ak.zip(rows, depth_limit=1)
    mass = dijet_mass(records)
    candidates = np.flatnonzero((mass > masses[0]) & (mass < masses[1]))
    if len(candidates) < n:
        above = f"m_jj > {masses[0]:.0f} GeV" if math.isinf(masses[1]) else f"m_jj in {masses} GeV"
        raise EmptySelectionError(
            f"{path}: {n} events asked for, but only {len(candidates)} of {len(records)} have {above}. Ask for fewer "
            "or give a larger file."
        )
    return records[rng.choice(candidates, n, replace=False)]


def mixed(parts: Sequence[ak.Array], rng: np.random.Generator) -> ak.Array:
    """All parts, shuffled and then numbered, so that only `isSignal` tells signal from background."""
    rows = ak.concatenate(parts)
    rows = rows[rng.permutation(len(rows))]
    number = np.arange(len(rows))
    rows["run"] = np.ones(len(rows), np.uint32)
    rows["luminosityBlock"] = (1 + number // EVENTS_PER_LUMINOSITY_BLOCK).astype(np.uint32)
    rows["event"] = (1 + number).astype(np.uint64)
    return rows


def counts(rows: ak.Array) -> dict[str, Any]:
    """How many events of each kind there are, in all and in the signal window, for a description."""
    mass, is_signal = dijet_mass(rows), ak.to_numpy(rows["isSignal"]) == 1
    inside = (mass >= WINDOW[0]) & (mass < WINDOW[1])
    background, signal = int((inside & ~is_signal).sum()), int((inside & is_signal).sum())
    return {
        "window": list(WINDOW),
        "qcd_events": int((~is_signal).sum()),
        "signal_events": int(is_signal.sum()),
        "qcd_events_in_window": background,
        "signal_events_in_window": signal,
        "signal_over_sqrt_background_in_window": round(signal / background**0.5, 3) if background else None,
    }


def checksums(*paths: str | os.PathLike[str]) -> dict[str, str]:
    """SHA-256 of the inputs by file name."""
    return {Path(path).name: sha256_of(path) for path in paths}


def dijet_mass(rows: ak.Array) -> Any:
    """m_jj of the two leading jets, (N,), GeV."""
    jets = vector.zip(
        {name: ak.values_astype(rows["FatJet", name], "float64") for name in ("pt", "eta", "phi", "mass")}
    )
    return ak.to_numpy((jets[:, 0] + jets[:, 1]).mass)
