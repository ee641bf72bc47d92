"""Makes the dijet ntuple that is shipped with the package out of larger simulated files.

The shipped file came from 475,863 QCD and 60,000 signal events of Pythia 8 by

    python -m tools.make_embedded qcd.root wprime_3500_500_100.root dijets.root

Its content is a function of the two inputs and the seed; the bytes are not, because a ROOT file holds the time of
writing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from analysis.atomic import write_text
from analysis.datasets.dijet_ntuple import dijet_ntuple
from analysis.datasets.mixing import PROCESS, SIGNAL, WINDOW, checksums, counts, draw, mixed
from analysis.io.checksums import sha256_of

EVENTS, SIGNAL_EVENTS, SEED = 345_000, 770, 20260
MINIMUM_MASS = 2300.0
EVENTS_PER_BASKET = 50_000


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
    masses = (MINIMUM_MASS, math.inf)
    rows = mixed([draw(qcd, events, rng, masses=masses), draw(signal, signal_events, rng, masses=masses)], rng)
    found = counts(rows)
    title = (
        f"Pythia 8 dijets, 13 TeV, m_jj > {MINIMUM_MASS:.0f} GeV: {events} QCD + {signal_events} W'(3500)->X(500)Y(100)"
        f"; in {WINDOW[0]:.0f}-{WINDOW[1]:.0f} GeV {found['qcd_events_in_window']} + "
        f"{found['signal_events_in_window']}; GeV"
    )
    with dijet_ntuple(output, title=title, compression="LZMA") as extend:
        for start in range(0, len(rows), EVENTS_PER_BASKET):
            extend(rows[start : start + EVENTS_PER_BASKET])

    description = {
        "title": title,
        "process": PROCESS,
        "signal": SIGNAL,
        "units": "GeV",
        "minimum_dijet_mass": MINIMUM_MASS,
        **found,
        "sources": checksums(qcd, signal),
        "seed": seed,
        "sha256": sha256_of(output),
    }
    write_text(Path(output).with_suffix(".json"), json.dumps(description, indent=2) + "\n")
    return description


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
