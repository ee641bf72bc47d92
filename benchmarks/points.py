"""Points of showers: what they can reach that do not see each other, and what a shower costs.

    OMP_NUM_THREADS=1 python benchmarks/points.py FOLDER --seeds 1 2

FOLDER holds `ds1like_photons.h5`, see `showers.py`, whose test is the one of this program. A shower gets its own
energies and numbers of points of layers, and in every layer points of any showers of the same energy: what a perfect
network makes of points one by one that is told those alone. Beside stands the AUC of the showers themselves.

The time of a shower is that of `calo_clouds_2` (25 evaluations) and of its consistency model (one), with the flow of
the energies of layers, in CPU milliseconds on one thread with so many at once; it does not depend on what the networks
have learned, and they learn for a moment.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from shower_samples import FILES, halves
from shower_systems import SYSTEMS, threshold
from showers import Comparer, with_steps

from analysis.metrics.showers import high_level, observables
from analysis.showers import Geometry, Showers, geometry
from generators import create
from generators.showers.voxel_points import ACROSS, VoxelPoints

DATASET = "ds1-photons"
#: Steps of flows of energies and numbers, without which there are no points to take time, and of all others.
LEARNED, OTHERS = 60, 6


def some(showers: Showers, number: int, seed: int) -> Showers:
    """So many of them."""
    rows = np.random.default_rng(seed).permutation(len(showers))[:number]
    return Showers(showers.incident[rows], showers.energies[rows])


def of_others(own: Showers, pool: Showers, voxels: VoxelPoints, rng: np.random.Generator) -> NDArray[np.float64]:
    """Showers with the layers of their own, and points of others of the same energy in each."""
    counts, energies = voxels.counts(own.energies), voxels.energies(own.energies)
    points, offsets = voxels.points(pool.energies, rng)
    incident, layer = np.repeat(pool.incident, np.diff(offsets)), np.floor(points[:, -1]).astype(np.int64)
    taken, whose = [], []
    for energy in np.unique(own.incident):
        rows = np.flatnonzero(own.incident == energy)
        for number in range(counts.shape[1]):
            there = np.flatnonzero((incident == energy) & (layer == number))
            shower = np.repeat(rows, counts[rows, number])
            taken.append(points[rng.choice(there, len(shower))] if len(shower) else points[:0])
            whose.append(shower)
    return voxels.calibrated(np.concatenate(taken), np.concatenate(whose), counts, energies, rng)


def floor(comparer: Comparer, own: Showers, known: Geometry, seed: int) -> dict[str, float]:
    """AUC of showers of points of others, and of these showers themselves."""
    voxels = VoxelPoints([list(layer.shape) for layer in known.layers], ACROSS["plane"], threshold(DATASET))
    made = of_others(own, comparer.learned, voxels, np.random.default_rng(seed))
    out = {}
    for name, energies in (("points of others", made), ("themselves", own.energies)):
        found = observables([Showers(own.incident, energies)], known)
        out[name] = comparer.auc(high_level(found), high_level(comparer.due), name)["value"]
    return out


def trained_for_a_moment(system: str, learned: Showers, known: Geometry) -> Any:
    """A system with networks of the size of its preset."""
    what = with_steps(SYSTEMS[system](DATASET, [list(layer.shape) for layer in known.layers]), OTHERS)
    for part in (what["energies"], what["shapes"]["counts"]):
        part["training"]["steps"] = LEARNED
    few = some(learned, 1_500, 1)
    return create(what).fit(few.energies, few.incident[:, None], seed=1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of files of showers")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--showers", type=int, default=1_500, help="showers that are compared")
    parser.add_argument("--batch", type=int, default=300, help="showers at once that are timed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = geometry(DATASET)
    learned, reference, simulated = halves(options.folder / FILES[DATASET], known)
    comparer = Comparer(learned, some(reference, options.showers, 0), known, 1)
    for seed in options.seeds:
        found = floor(comparer, some(learned, options.showers, seed), known, seed)
        print(f"seed {seed}: AUC " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()), flush=True)
    if simulated is not None:
        print(f"Geant4: {simulated.mean():.1f} ms a shower")
    for system in ("calo_clouds_2", "calo_clouds_consistency"):
        made = trained_for_a_moment(system, learned, known)
        for seed in options.seeds:
            c = np.random.default_rng(seed).choice(reference.incident, options.batch)[:, None]
            start = time.process_time()
            drawn = made.sample(c, seed=seed)
            taken = 1e3 * (time.process_time() - start) / len(c)
            print(f"{system}, seed {seed}: {taken:.2f} ms a shower of {(drawn > 0).sum(axis=1).mean():.0f} points")


if __name__ == "__main__":
    main()
