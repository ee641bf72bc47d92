"""Makes the simulation that is shipped beside the data: QCD dijets of Pythia 8 with the Vincia shower.

The shipped file came from 4,500 events of

    cathode data simulate dijets --shower vincia --events 4500 --seed 2 --output vincia.root
    python -m tools.make_embedded_vincia vincia.root dijets_vincia.root

A study needs some 200,000 of them, for which only the number changes; a thousand take about 75 seconds of one core.
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
from analysis.datasets.mixing import PROCESS, checksums, counts, draw, mixed
from analysis.io.checksums import sha256_of

MINIMUM_MASS, SEED = 2300.0, 20261


def make_embedded_vincia(
    simulated: str | os.PathLike[str], output: str | os.PathLike[str], *, events: int, seed: int = SEED
) -> dict[str, Any]:
    """Write `events` of `simulated` above 2.3 TeV in m_jj to `output`, a description beside it, which is returned.

    Raises
    ------
    EmptySelectionError
        If there are fewer.
    """
    rng = np.random.default_rng(seed)
    rows = mixed([draw(simulated, events, rng, masses=(MINIMUM_MASS, math.inf))], rng)
    title = f"Pythia 8 dijets with the Vincia shower, 13 TeV, m_jj > {MINIMUM_MASS:.0f} GeV: {events} QCD; GeV"
    with dijet_ntuple(output, title=title, compression="LZMA") as extend:
        extend(rows)
    description = {
        "title": title,
        "process": f"{PROCESS}; parton shower Vincia (2003.00702)",
        "units": "GeV",
        "minimum_dijet_mass": MINIMUM_MASS,
        **counts(rows),
        "sources": checksums(simulated),
        "seed": seed,
        "sha256": sha256_of(output),
    }
    write_text(Path(output).with_suffix(".json"), json.dumps(description, indent=2) + "\n")
    return description


def main() -> None:
    """Command line of the recipe in the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("simulated", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--seed", type=int, default=SEED)
    make_embedded_vincia(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
