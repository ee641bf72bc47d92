"""Makes the dijet ntuple that is shipped with the package out of larger simulated files.

The shipped file came from 475,863 QCD and 60,000 signal events of Pythia 8 by

    python -m analysis.datasets.make_embedded qcd.root wprime_3500_500_100.root dijets.root

Its content is a function of the two inputs and the seed; the bytes are not, because a ROOT file holds the time of
writing.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
import vector

from analysis.atomic import write_text
from analysis.datasets.dijet_ntuple import TREE, dijet_ntuple
from analysis.errors import EmptySelectionError
from analysis.io.checksums import sha256_of

EVENTS, SIGNAL_EVENTS, SEED = 345_000, 770, 20260
MINIMUM_MASS = 2300.0
WINDOW = (3300.0, 3700.0)
EVENTS_PER_BASKET = 50_000
EVENTS_PER_LUMINOSITY_BLOCK = 1_000


def make_embedded(
    qcd: str | os.PathLike[str],
    signal: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    events: int = EVENTS,
    signal_events: int = SIGNAL_EVENTS,
    seed: int = SEED,
) -> dict[str, Any]:
    """Hide `signal_events` of `signal` among `events` of `qcd` and write them to `output`, a description beside it.

    Both are drawn at random, without replacement, from the events above 2.3 TeV in m_jj, below which the trigger on
    the leading jet shapes the spectrum; nothing else is cut, so the spectrum keeps its shape. The rows are shuffled and
    then numbered, so that only `isSignal` tells signal from background. Returns what is written to the JSON file.

    Raises
    ------
    EmptySelectionError
        If an input has fewer events above 2.3 TeV than asked for.
    """
    rng = np.random.default_rng(seed)
    rows = ak.concatenate([_draw(qcd, events, rng), _draw(signal, signal_events, rng)])
    rows = rows[rng.permutation(len(rows))]
    number = np.arange(len(rows))
    rows["run"] = np.ones(len(rows), np.uint32)
    rows["luminosityBlock"] = (1 + number // EVENTS_PER_LUMINOSITY_BLOCK).astype(np.uint32)
    rows["event"] = (1 + number).astype(np.uint64)

    mass, is_signal = _dijet_mass(rows), ak.to_numpy(rows["isSignal"]) == 1
    inside = (mass >= WINDOW[0]) & (mass < WINDOW[1])
    n_background, n_signal = int((inside & ~is_signal).sum()), int((inside & is_signal).sum())
    title = (
        f"Pythia 8 dijets, 13 TeV, m_jj > {MINIMUM_MASS:.0f} GeV: {events} QCD + {signal_events} W'(3500)->X(500)Y(100)"
        f"; in {WINDOW[0]:.0f}-{WINDOW[1]:.0f} GeV {n_background} + {n_signal}; GeV"
    )
    with dijet_ntuple(output, title=title, compression="LZMA") as extend:
        for start in range(0, len(rows), EVENTS_PER_BASKET):
            extend(rows[start : start + EVENTS_PER_BASKET])

    description = {
        "title": title,
        "process": "Pythia 8.317, pp 13 TeV, Monash, no multiple interactions; fast CMS-like detector response; "
        "anti-kT R = 1.0, leading jet pT > 1.2 TeV, |eta| < 2.5, two leading jets",
        "signal": "W'(3.5 TeV) -> X(500 GeV) Y(100 GeV) -> 4 quarks",
        "units": "GeV",
        "minimum_dijet_mass": MINIMUM_MASS,
        "window": list(WINDOW),
        "qcd_events": events,
        "signal_events": signal_events,
        "qcd_events_in_window": n_background,
        "signal_events_in_window": n_signal,
        "signal_over_sqrt_background_in_window": round(n_signal / n_background**0.5, 3),
        "sources": {Path(p).name: sha256_of(p) for p in (qcd, signal)},
        "seed": seed,
        "sha256": sha256_of(output),
    }
    write_text(Path(output).with_suffix(".json"), json.dumps(description, indent=2) + "\n")
    return description


def _draw(path: str | os.PathLike[str], n: int, rng: np.random.Generator) -> ak.Array:
    """`n` random events of a file above the minimum mass, as records with FatJet and isSignal."""
    with uproot.open({str(path): TREE}) as tree:
        flat = tree.arrays()
    jets = {name.removeprefix("FatJet_"): flat[name] for name in flat.fields if name.startswith("FatJet_")}
    rows = ak.zip({"FatJet": ak.zip(jets), "isSignal": flat["isSignal"]}, depth_limit=1)
    candidates = np.flatnonzero(_dijet_mass(rows) > MINIMUM_MASS)
    if len(candidates) < n:
        raise EmptySelectionError(
            f"{path}: {n} events asked for, but only {len(candidates)} of {len(rows)} have m_jj > {MINIMUM_MASS:.0f} "
            "GeV. Ask for fewer or give a larger file."
        )
    return rows[rng.choice(candidates, n, replace=False)]


def _dijet_mass(rows: ak.Array) -> Any:
    jets = vector.zip(
        {name: ak.values_astype(rows["FatJet", name], "float64") for name in ("pt", "eta", "phi", "mass")}
    )
    return ak.to_numpy((jets[:, 0] + jets[:, 1]).mass)


def main() -> None:
    """Command line of the recipe in the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("qcd", type=Path)
    parser.add_argument("signal", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--signal-events", type=int, default=SIGNAL_EVENTS)
    parser.add_argument("--seed", type=int, default=SEED)
    make_embedded(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
