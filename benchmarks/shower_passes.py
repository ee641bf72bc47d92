"""CPU milliseconds a shower of generators that make showers in one pass: what they learned has no part in it.

    OMP_NUM_THREADS=1 python benchmarks/shower_passes.py

Networks have initial weights. `calo_gan` is in CaloGAN's layers, `bib_ae` in 30 × 30 × 30 voxels; each in its published
and its small size, by the number of showers at once: the median of `--repeats` calls after one that is not counted.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch

from generators import create
from generators.showers.presets import LAYERS

SYSTEMS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "calo_gan": ({"kind": "calo_gan", "layers": LAYERS["calogan"]}, (1, 100)),
    "bib_ae": ({"kind": "bib_ae"}, (1, 4)),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, (what, batches) in SYSTEMS.items():
        for preset in ("small", "published"):
            made = create({**what, "preset": preset})
            network = made.build((sum(made.sizes_of_layers),), 1).eval().requires_grad_(False)
            size = sum(parameter.numel() for parameter in network.parameters())
            print(f"{name}, {preset}: {size:,} parameters", flush=True)
            for batch in batches:
                random, times = torch.Generator().manual_seed(1), []
                for _ in range(1 + options.repeats):
                    start = time.process_time()
                    network.draw(torch.tensor([[0.0, 50.0]] * batch), random)
                    times.append(1e3 * (time.process_time() - start) / batch)
                print(f"  {batch} at once: {np.median(times[1:]):.3g} ms", flush=True)


if __name__ == "__main__":
    main()
