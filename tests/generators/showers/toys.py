"""Small showers with a known make: two layers, of which one has directions, and cells that are often empty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: [angles, rings] of the layers: five voxels.
LAYERS = [[1, 2], [3, 1]]
THRESHOLD = 1e-3


def showers(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Voxels (n, 5) in GeV with nothing below the threshold, and the incident energy (n, 1)."""
    rng = np.random.default_rng(seed)
    incident = rng.uniform(0.02, 0.1, n)
    total = incident * np.exp(0.1 * rng.standard_normal(n))
    x = total[:, None] * rng.dirichlet([1.5, 1, 0.7, 0.7, 0.7], n)
    x = np.where(rng.random((n, 5)) < 0.15, 0, x)
    return np.where(x < THRESHOLD, 0, x), incident[:, None]


def with_layers(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same, with the energies of both layers as last columns of the context."""
    x, c = showers(n, seed)
    return x, np.column_stack([c, x[:, :2].sum(axis=1), x[:, 2:].sum(axis=1)])


def patterns(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """How often which voxels have energy: shares of all 32 patterns."""
    return np.bincount((x > 0) @ (1 << np.arange(x.shape[1])), minlength=1 << x.shape[1]) / len(x)
