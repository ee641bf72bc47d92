"""Makes the file of showers that is shipped with the package out of simulated ones.

The shipped file came from

    cathode data simulate showers -n 4150 --seed 1 --output photons_1.h5
    cathode data simulate showers -n 2100 --seed 4 --output photons_4.h5
    cathode data simulate showers --particle scalar --mass 5 --energies 12 12 -n 400 --seed 2 --output pairs_5.h5
    cathode data simulate showers --particle scalar --mass 0.05 --energies 12 12 -n 400 --seed 3 --output pairs_005.h5
    python -m tools.make_embedded_showers photons_1.h5 photons_4.h5 pairs_5.h5 pairs_005.h5 --output showers.h5

in 13 CPU minutes. It has the layout of the CaloChallenge. To be small, voxels below
the threshold are set to zero and energies rounded to 6 bits of mantissa (at most 0.8 %).
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from analysis.atomic import atomic_path, write_text
from analysis.datasets.dijet_ntuple import shorten_mantissa
from analysis.datasets.mixing import checksums
from analysis.errors import GeometryError
from analysis.io.checksums import sha256_of
from analysis.showers import geometry

GEOMETRY = "ds1-photons"
MANTISSA_BITS = 6
MASS = "scalar_mass"


def make_embedded_showers(
    sources: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str], *, bits: int = MANTISSA_BITS
) -> dict[str, Any]:
    """Write the showers of all sources behind each other, and a description beside the file, which is returned.

    Raises
    ------
    GeometryError
        If a source has showers of another geometry.
    """
    threshold = geometry(GEOMETRY).threshold * 1e3
    incident, showers, masses, titles = [], [], [], []
    for source in sources:
        with h5py.File(source, "r") as file:
            found = file["showers"][:]
            if found.shape[1] != geometry(GEOMETRY).voxels:
                raise GeometryError(f"{source}: {found.shape[1]} voxels are not those of {GEOMETRY}.")
            showers.append(shorten_mantissa(np.where(found < threshold, 0, found), bits))
            incident.append(file["incident_energies"][:])
            masses.append(file[MASS][:] if MASS in file else np.zeros(len(found)))
            titles.append(str(file.attrs["title"]))
    arrays = {
        "incident_energies": shorten_mantissa(np.concatenate(incident), 16),
        "showers": np.concatenate(showers),
        MASS: np.concatenate(masses).astype(np.float32),
    }
    kinds = np.unique(arrays[MASS], return_counts=True)
    counts = {f"{mass / 1e3:g} GeV": int(number) for mass, number in zip(*kinds, strict=True)}
    photons = counts.pop("0 GeV", 0)
    title = f"{photons} photons of 1 to 20 GeV and {sum(counts.values())} pairs of photons of a scalar, Geant4 showers"
    with atomic_path(output) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["title"] = title
        for name, values in arrays.items():
            chunks = (min(len(values), 1000), *values.shape[1:])
            file.create_dataset(name, data=values, chunks=chunks, compression="gzip", compression_opts=9, shuffle=True)
    description = {
        "title": title,
        "process": titles,
        "geometry": GEOMETRY,
        "units": "MeV",
        "threshold": threshold,
        "photons": photons,
        "pairs": counts,
        "sources": [checksums(source) for source in sources],
        "sha256": sha256_of(output),
    }
    write_text(Path(output).with_suffix(".json"), json.dumps(description, indent=2, ensure_ascii=False) + "\n")
    return description


def main() -> None:
    """Command line of the recipe in the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--bits", type=int, default=MANTISSA_BITS)
    make_embedded_showers(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
