"""Makes the files of single jets that are shipped with the package out of larger ones of the same layout.

The shipped files came from 20,000 top and 20,000 gluon jets of Pythia 8 by

    python -m tools.make_embedded_jets t.hdf5 top_jets.hdf5
    python -m tools.make_embedded_jets g.hdf5 gluon_jets.hdf5

They have the layout of JetNet30, not its events. To be small, coordinates are rounded to multiples of 2^-12 and momenta
to 10 bits of mantissa.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from analysis.atomic import atomic_path, write_text
from analysis.datasets.dijet_ntuple import shorten_mantissa
from analysis.datasets.mixing import checksums
from analysis.errors import EmptySelectionError
from analysis.io.checksums import sha256_of

JETS = 3_000
ANGLE_BITS, MOMENTUM_BITS = 12, 10
PARTICLES, FEATURES = "particle_features", "jet_features"


def make_embedded_jets(
    source: str | os.PathLike[str], output: str | os.PathLike[str], *, jets: int = JETS
) -> dict[str, Any]:
    """Write the first `jets` jets of a file of JetNet's layout, and a description beside it, which is returned.

    Raises
    ------
    EmptySelectionError
        If the input has fewer jets.
    """
    with h5py.File(source, "r") as file:
        total = len(file[PARTICLES])
        if total < jets:
            raise EmptySelectionError(f"{source}: {jets} jets asked for, but it has {total}.")
        particles, features = file[PARTICLES][:jets], file[FEATURES][:jets]
    particles[..., :2] = np.round(particles[..., :2] * 2.0**ANGLE_BITS) / 2.0**ANGLE_BITS
    particles[..., 2] = shorten_mantissa(particles[..., 2], MOMENTUM_BITS)
    kind = Path(output).stem.replace("_", " ")
    title = f"{jets} {kind} of Pythia 8 in the layout of JetNet30, anti-kT R = 0.8, pT about 1 TeV"
    with atomic_path(output) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["title"] = title
        for name, values in ((PARTICLES, particles), (FEATURES, features)):
            file.create_dataset(
                name, data=values, chunks=values.shape, compression="gzip", compression_opts=9, shuffle=True
            )
    description = {
        "title": title,
        "process": "Pythia 8.317, pp 13 TeV, Monash, partons of 1 TeV ± 1 % in pT; particle level, anti-kT R = 0.8",
        "units": "GeV",
        "jets": jets,
        "particle_features": ["etarel", "phirel", "ptrel", "mask"],
        "jet_features": ["pt", "eta", "mass", "num_particles"],
        "sources": checksums(source),
        "sha256": sha256_of(output),
    }
    write_text(Path(output).with_suffix(".json"), json.dumps(description, indent=2, ensure_ascii=False) + "\n")
    return description


def main() -> None:
    """Command line of the recipe in the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--jets", type=int, default=JETS)
    make_embedded_jets(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
