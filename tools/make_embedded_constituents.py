"""Makes the dijet ntuple with constituents that is shipped with the package out of larger simulated files.

The shipped file came from 60,000 QCD and 12,000 signal events of Pythia 8 by

    python -m tools.make_embedded_constituents qcd.root wprime.root dijet_constituents.root

To be small it keeps the leading constituents only and rounds them: pT to 9 bits of mantissa (a relative error of at
most 1e-3), η and φ to multiples of 2^-10, which is far below the cells of a calorimeter. The jets are those of all
particles. Its content is a function of the two inputs and the seed.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from analysis.atomic import write_text
from analysis.datasets.dijet_ntuple import dijet_ntuple, shorten_mantissa
from analysis.datasets.mixing import PROCESS, SIGNAL, WINDOW, checksums, counts, draw, mixed
from analysis.io.checksums import sha256_of

EVENTS, SIGNAL_EVENTS, LEADING, SEED = 12_000, 400, 30, 20261
MASSES = (2300.0, 5000.0)
EVENTS_PER_BASKET = 6_200
MOMENTUM_BITS, ANGLE_BITS = 9, 10


def make_embedded_constituents(
    qcd: str | os.PathLike[str],
    signal: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    events: int = EVENTS,
    signal_events: int = SIGNAL_EVENTS,
    leading: int = LEADING,
    seed: int = SEED,
) -> dict[str, Any]:
    """Hide `signal_events` of `signal` among `events` of `qcd`, with the `leading` constituents of each jet.

    Both are drawn at random, without replacement, from the events in 2.3 … 5 TeV of m_jj. Writes `output` and a
    description beside it, and returns the latter.

    Raises
    ------
    EmptySelectionError
        If an input has fewer such events than asked for.
    """
    rng = np.random.default_rng(seed)
    drawn = [
        draw(path, n, rng, masses=MASSES, collections=("FatJet", "PFCands"))
        for path, n in ((qcd, events), (signal, signal_events))
    ]
    rows = mixed(drawn, rng)
    rows["PFCands"] = _rounded(_leading(rows["PFCands"], leading))
    found = counts(rows)
    title = (
        f"Pythia 8 dijets with the {leading} leading constituents of each jet, 13 TeV, m_jj {MASSES[0]:.0f}-"
        f"{MASSES[1]:.0f} GeV: {events} QCD + {signal_events} W'(3500)->X(500)Y(100); in {WINDOW[0]:.0f}-"
        f"{WINDOW[1]:.0f} GeV {found['qcd_events_in_window']} + {found['signal_events_in_window']}; GeV"
    )
    with dijet_ntuple(output, title=title, constituents=True, compression="LZMA") as extend:
        for start in range(0, len(rows), EVENTS_PER_BASKET):
            extend(rows[start : start + EVENTS_PER_BASKET])
    description = {
        "title": title,
        "process": PROCESS,
        "signal": SIGNAL,
        "units": "GeV",
        "dijet_masses": list(MASSES),
        "leading_constituents": leading,
        **found,
        "sources": checksums(qcd, signal),
        "seed": seed,
        "sha256": sha256_of(output),
    }
    write_text(Path(output).with_suffix(".json"), json.dumps(description, indent=2) + "\n")
    return description


def _leading(constituents: ak.Array, n: int) -> ak.Array:
    """The `n` hardest constituents of every jet, jet by jet, in falling pT."""
    jets = []
    for jet in (0, 1):
        own = constituents[constituents["jetIdx"] == jet]
        jets.append(own[ak.argsort(own["pt"], axis=1, ascending=False, stable=True)][:, :n])
    return ak.concatenate(jets, axis=1)


def _rounded(constituents: ak.Array) -> ak.Array:
    fields = {name: ak.to_numpy(ak.flatten(constituents[name])) for name in constituents.fields}
    fields["pt"] = shorten_mantissa(fields["pt"], MOMENTUM_BITS)
    for name in ("eta", "phi"):
        fields[name] = _on_grid(fields[name])
    return ak.unflatten(ak.zip(fields), ak.num(constituents))


def _on_grid(angles: NDArray[Any]) -> NDArray[np.float32]:
    return (np.round(angles * 2.0**ANGLE_BITS) / 2.0**ANGLE_BITS).astype(np.float32)


def main() -> None:
    """Command line of the recipe in the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("qcd", type=Path)
    parser.add_argument("signal", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--signal-events", type=int, default=SIGNAL_EVENTS)
    parser.add_argument("--leading", type=int, default=LEADING)
    parser.add_argument("--seed", type=int, default=SEED)
    make_embedded_constituents(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
