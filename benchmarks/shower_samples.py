"""Showers of a data set in two halves, of which one is learned from and the other compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.datasets import open_showers
from analysis.metrics.showers import cut
from analysis.showers import Geometry, Showers

#: Files of data sets, unless another is named.
FILES = {
    "ds1-photons": "ds1like_photons.h5",
    "ds2": "ds2like_electrons.h5",
    "ds3": "ds3like_electrons_sparse.h5",
    "calogan": "calogan_photons.h5",
    "ild": "ildlike_photons.h5",
}

#: Different energies that still are single ones; more are put into so many bins of equal counts.
_SINGLE, _BINS = 40, 8
#: Voxels in GeV that are in memory at once while a file is read.
_AT_ONCE = 1 << 25


def halves(path: Path, known: Geometry) -> tuple[Showers, Showers, NDArray[np.float64] | None]:
    """Showers to learn from and to compare with, and CPU milliseconds of the simulation of the latter if known."""
    with open_showers(path, known) as file:
        parts = [cut(part, known) for part in file.dense(max(1, _AT_ONCE // known.voxels))]
        seconds = file.column("cpu_s") if "cpu_s" in file.beside else None
    incident = np.concatenate([part.incident for part in parts])
    energies = np.concatenate([part.energies for part in parts])
    rng, learned = np.random.default_rng(0), np.zeros(len(incident), dtype=bool)
    for group in np.unique(energy_groups(incident)):
        rows = rng.permutation(np.flatnonzero(energy_groups(incident) == group))
        learned[rows[: len(rows) // 2]] = True
    one, other = (Showers(incident[rows], energies[rows]) for rows in (learned, ~learned))
    return one, other, None if seconds is None else 1e3 * seconds[~learned]


def energy_groups(incident: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which energy every shower has, (N,), or which bin of equal counts where there are more than a few."""
    single, place = np.unique(incident, return_inverse=True)
    if len(single) <= _SINGLE:
        return place.astype(np.int64)
    edges = np.quantile(incident, np.linspace(0, 1, _BINS + 1)[1:-1])
    return np.searchsorted(edges, incident, side="right").astype(np.int64)
