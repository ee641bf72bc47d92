"""Small showers with a known make: two layers, of which one has directions, and cells that are often empty."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
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


#: A layer of one voxel, whose energy is that of the layer, and one of four: all is in the second.
PAIR = [[1, 1], [2, 2]]
#: A calorimeter with layers of different shapes, of which some occur twice.
MIXED = [[1, 2], [2, 2], [2, 2], [3, 1]]


def of_layers(layers: list[list[int]], n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Showers (n, V) in GeV in any layers, and their context: incident energy and those of the layers (n, 1 + L)."""
    rng = np.random.default_rng(seed)
    sizes = [angles * rings for angles, rings in layers]
    incident = rng.uniform(0.02, 0.1, n)
    x = (incident * np.exp(0.1 * rng.standard_normal(n)))[:, None] * rng.dirichlet(np.full(sum(sizes), 0.8), n)
    x = np.where((rng.random(x.shape) < 0.15) | (x < THRESHOLD), 0, x)
    energies = [part.sum(axis=1) for part in np.split(x, np.cumsum(sizes)[:-1], axis=1)]
    return x, np.column_stack([incident, *energies])


def of_pair(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Those in the layers `PAIR`."""
    return of_layers(PAIR, n, seed)


def of_mixed(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Those in the layers `MIXED`."""
    return of_layers(MIXED, n, seed)


def sharing(total: float, cells: int, n: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Cells with this sum in every pattern of empty ones (not all), and the weights of their density in an integral."""
    y = np.linspace(-9, 9, n)
    share = 1 / (1 + np.exp(-y))
    inner = share * (1 - share) * (y[1] - y[0])
    for hit in list(product((0, 1), repeat=cells))[1:]:
        places = np.flatnonzero(hit)
        x, left, weights = np.zeros((1, cells)), np.array([total]), np.ones(1)
        for number, place in enumerate(places[:-1]):
            width = left - (len(places) - number) * THRESHOLD
            x, weights = np.repeat(x, n, axis=0), (weights[:, None] * width[:, None] * inner).ravel()
            x[:, place] = (THRESHOLD + width[:, None] * share).ravel()
            left = np.repeat(left, n) - x[:, place]
        x[:, places[-1]] = left
        yield x, weights


def shares_of_patterns(fitted: Any, first: float, second: float, n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Probabilities of the 15 patterns of the second layer of `PAIR`: integrals of the density, and of draws."""
    known = np.array([[0.06, first, second]])
    integrals = []
    for cells, weights in sharing(second, 4, n):
        x = np.column_stack([np.full(len(cells), first), cells])
        density = np.exp(fitted.log_prob(x, np.repeat(known, len(x), axis=0)))
        integrals.append(float((density * weights).sum()))
    drawn = fitted.sample(np.repeat(known, 4_000, axis=0), seed=5)
    assert drawn.sum(axis=1, dtype=np.float64) == pytest.approx(first + second, rel=1e-5)
    found = np.bincount((drawn[:, 1:] > 0) @ np.array([8, 4, 2, 1]), minlength=16)[1:] / len(drawn)
    return np.array(integrals), found
