"""BIB-AE on photons at several angles: hit energies with and without its post-processor, and angles of what it makes.

    cathode data simulate showers --geometry ild --energies 5 15 --uniform --angle 40 -n 250 --output ild_40.h5
    OMP_NUM_THREADS=1 python benchmarks/bib_ae_angles.py FOLDER --angles 40 60 85 --seeds 1 2

FOLDER holds `ild_ANGLE.h5` of each angle. Half of the showers of every angle are learned from, the others compared
with. The context is the energy and the angle; latent variables and visible energy are drawn by a flow given both.
`--merge 2` adds up cells two by two in all three directions, which is eight times as cheap.

* hits: W₁ distance of log10 of hit energies from those of the other half, in decades, and mean number of hits, with and
  without the post-processor; `floor` is the distance of the learned half;
* lean: distance in mm of the energy-weighted centres of the last and the first third of the layers along the axis in
  which photons are inclined, by angle: mean and its error, made and true. `resolved` is the AUC by which this number
  tells the first angle from the last, made and true.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance
from shower_samples import halves
from sklearn.metrics import roc_auc_score

from analysis.showers import Showers, geometry
from generators import create

Array = NDArray[np.float64]


#: Layers, rows and columns of ILD, and the side of the square of all cells in mm.
CELLS, SIDE = 30, 153.0


def merged(x: Array, cells: int) -> Array:
    """Voxels (N, V) of so many cells together in each direction."""
    few = CELLS // cells
    return x.reshape(len(x), few, cells, few, cells, few, cells).sum(axis=(2, 4, 6)).reshape(len(x), -1)


def read(folder: Path, angles: list[float], cells: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Voxels and context (energy, angle) to learn from, and to compare with."""
    known = geometry("ild")
    out: tuple[list[Showers], list[Showers]] = ([], [])
    for angle in angles:
        for part, found in zip(halves(folder / f"ild_{angle:g}.h5", known)[:2], out, strict=True):
            found.append(part)
    one, other = (
        (
            merged(np.concatenate([part.energies for part in parts]), cells),
            np.concatenate(
                [np.column_stack([p.incident, np.full(len(p), a)]) for p, a in zip(parts, angles, strict=True)]
            ),
        )
        for parts in out
    )
    return one, other


def lean(x: Array, few: int) -> Array:
    """See the module; (N, 2) along both axes."""
    volume = x.reshape(len(x), few, few, few)
    edges = np.linspace(-SIDE / 2, SIDE / 2, few + 1)
    middles, third, out = 0.5 * (edges[1:] + edges[:-1]), few // 3, []
    for axis in (2, 3):
        along = volume.sum(axis=5 - axis)
        centres = [
            (part.sum(axis=1) @ middles) / np.maximum(part.sum(axis=(1, 2)), 1e-12)
            for part in (along[:, -third:], along[:, :third])
        ]
        out.append(centres[0] - centres[1])
    return np.stack(out, axis=1)


def spectrum(x: Array, due: Array) -> float:
    """W₁ of log10 of hit energies, each shower counting as it has hits."""
    hits = [np.log10(part[part > 0]) for part in (x, due)]
    return float(wasserstein_distance(*(np.quantile(part, np.linspace(0.0005, 0.9995, 2000)) for part in hits)))


def measured(seed: int, learned: tuple[Array, Array], due: tuple[Array, Array], options: Any) -> dict[str, Any]:
    """All numbers of one training."""
    few, start = CELLS // options.merge, time.process_time()
    what: dict[str, Any] = {"kind": "bib_ae", "layers": [[few, few]] * few, "threshold": geometry("ild").threshold}
    what |= {"flow": {"kind": "coupling_spline", "blocks": 4, "hidden": 32}, "sharpness": [200.0]}
    what["training"] = {"steps": options.steps, "batch_size": options.batch_size}
    made = create(what).fit(*learned, seed=seed)
    out: dict[str, Any] = {"seed": seed, "train_cpu_s": time.process_time() - start, "hits": {}, "lean": {}}
    network = made.networks_[0]
    angles = np.unique(due[1][:, 1])
    out["hits"]["true"], out["hits"]["floor"] = float((due[0] > 0).sum(axis=1).mean()), spectrum(learned[0], due[0])
    for name, post in (("without", None), ("with", network.post)):
        network.post, start = post, time.process_time()
        drawn = made.sample(due[1], seed=seed + 100).astype(np.float64)
        out["hits"][name] = {"w1": spectrum(drawn, due[0]), "mean": float((drawn > 0).sum(axis=1).mean())}
        out["ms_per_shower"] = 1e3 * (time.process_time() - start) / len(drawn)
    axis = int(np.ptp([lean(due[0], few)[due[1][:, 1] == a].mean(axis=0) for a in angles], axis=0).argmax())
    both = [lean(x, few)[:, axis] for x in (drawn, due[0])]
    for angle in angles:
        rows = due[1][:, 1] == angle
        out["lean"][f"{angle:g}"] = [[float(b[rows].mean()), float(b[rows].std() / rows.sum() ** 0.5)] for b in both]
    ends = np.isin(due[1][:, 1], angles[[0, -1]])
    found = [roc_auc_score(due[1][ends, 1] == angles[0], b[ends]) for b in both]
    out["resolved"] = [float(max(auc, 1 - auc)) for auc in found]
    out["response"] = [float((x.sum(axis=1) / due[1][:, 0]).mean()) for x in (drawn, due[0])]
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--angles", nargs="+", type=float, default=[40, 60, 85])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--merge", type=int, default=1, choices=[1, 2, 3, 5], help="cells to one, in every direction")
    options = parser.parse_args()
    torch.set_num_threads(1)
    learned, due = read(options.folder, options.angles, options.merge)
    for seed in options.seeds:
        print(json.dumps(measured(seed, learned, due, options)), flush=True)


if __name__ == "__main__":
    main()
