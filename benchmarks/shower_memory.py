"""Memory of showers: drawn to a file in any number, and learned from sparse rows of a calorimeter of 40,500 voxels.

    OMP_NUM_THREADS=1 python benchmarks/shower_memory.py --folder FOLDER [--json OUT]

Every case runs in a process of its own, whose largest resident memory is printed, with torch and all libraries:

* `stream_5000`, `stream_20000`: so many showers of the 6,480 voxels of CaloChallenge 2, drawn from a chain of energies
  of layers and `hierarchical_sticks` and written to a file in FOLDER, which is removed, 200 at a time;
* `train_sparse`: a training of the same chain on 20,000 showers of the 40,500 voxels of CaloChallenge 3, of which 1,600
  have energy, as sparse rows: 16 bytes for each of these. With all voxels they would be 3.2 GB in single precision.

Showers are random numbers, and trainings short: neither matters for what is held.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

CASES = ("stream_5000", "stream_20000", "train_sparse")


def chain(dataset: str, *, hidden: int, local: int, batch: int, steps: int) -> Any:
    """An unfitted chain for the layers of a data set."""
    from analysis.showers import geometry
    from generators import create

    known = geometry(dataset)
    energies = {"kind": "autoregressive_spline", "training": {"steps": steps, "batch_size": 64}}
    energies["bijection"] = {"kind": "chain", "bijections": ["atoms", "quantile_normal"]}
    shapes = {"kind": "hierarchical_sticks", "hidden": hidden, "local": local, "components": 1}
    shapes["training"] = {"steps": steps, "batch_size": batch, "validation_fraction": 0.005}
    layers = [list(layer.shape) for layer in known.layers]
    parts = {"energies": energies, "shapes": shapes}
    return create({"kind": "showers", "layers": layers, "threshold": known.threshold, **parts})


def stream(showers: int, folder: Path) -> None:
    """Draw so many showers to a file."""
    from analysis.datasets.shower_writing import write_calochallenge
    from analysis.showers import Showers, geometry

    known, rng = geometry("ds2"), np.random.default_rng(1)
    incident = rng.uniform(1, 2, (100, 1))
    x = incident * rng.dirichlet(np.full(known.voxels, 0.002), 100)
    fitted = chain("ds2", hidden=32, local=4, batch=8, steps=2).fit(x, incident, seed=1)
    asked = np.full((showers, 1), 1.5)
    parts = (Showers(c[:, 0], drawn) for c, drawn in fitted.stream(asked, seed=1, size=200))
    path = folder / f"stream_{showers}.h5"
    try:
        write_calochallenge(path, parts, known)
    finally:
        path.unlink(missing_ok=True)


def train_sparse(showers: int = 20_000, filled: int = 1_600) -> None:
    """Learn from sparse rows."""
    from analysis.showers import SparseShowers, geometry

    known, rng = geometry("ds3"), np.random.default_rng(1)
    index = rng.integers(0, known.voxels, showers * filled)
    energies = rng.exponential(0.01, showers * filled) + 2 * known.threshold
    offsets = np.arange(showers + 1) * filled
    incident = np.add.reduceat(energies, offsets[:-1])
    rows = SparseShowers(incident, offsets, index, energies, known.voxels)
    chain("ds3", hidden=64, local=8, batch=8, steps=10).fit(rows, incident[:, None], seed=1)


def main() -> None:
    """All cases, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("."))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", choices=CASES)
    arguments = parser.parse_args()
    if arguments.case:
        torch.set_num_threads(1)
        kind, _, number = arguments.case.partition("_")
        if kind == "stream":
            stream(int(number), arguments.folder)
        else:
            train_sparse()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"peak_gb": peak / 1e9, "cpu_s": time.process_time()}))
        return
    found = {}
    for case in CASES:
        command = [sys.executable, __file__, "--case", case, "--folder", str(arguments.folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[case] = json.loads(done.stdout.splitlines()[-1])
        print(case, " ".join(f"{name}={value:.3g}" for name, value in found[case].items()), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
