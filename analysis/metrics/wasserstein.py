"""Wasserstein distances of jets (Kansal et al., arXiv:2106.11535): of particles, masses and energy flow polynomials.

Each compares the marginal distribution of one number; the distances (B, F) are those of each batch and number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.compiled import compiled
from analysis.errors import MetricError
from analysis.metrics.sampling import Array, Sampling
from analysis.metrics.sic_and_auc import FloatArray


def wasserstein(x: FloatArray, y: FloatArray) -> float:
    """1-Wasserstein distance of two samples of a number, (N,) and (M,): the area between their distribution functions.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([0.5, 1.5]))
    0.5

    Raises
    ------
    MetricError
        If a sample is empty.
    """
    if not (len(x) and len(y)):
        raise MetricError(f"samples of {len(x)} and {len(y)} values have no distance.")
    return float(_between(np.sort(x), np.sort(y)))


def w1_particles(generated: FloatArray, truth: FloatArray, *, sampling: Sampling, seed: int) -> Array:
    """W1P: distances (B, 3) of Δη, Δφ and relative pT of all constituents of clouds (N, P, 3) and (M, P', 3).

    Constituents without pT do not count.
    """
    return w1_features(generated[..., :3], truth[..., :3], sampling=sampling, seed=seed)


def w1_features(generated: FloatArray, truth: FloatArray, *, sampling: Sampling, seed: int) -> Array:
    """Distances (B, F) of each feature of all constituents of clouds (N, P, F) and (M, P', F), as `w1_particles`."""
    found = []
    for i, j in sampling.pairs(len(generated), len(truth), seed=seed):
        x, y = generated[i], truth[j]
        x, y = x[x[..., 2] > 0], y[y[..., 2] > 0]
        found.append([wasserstein(x[:, f], y[:, f]) for f in range(truth.shape[2])])
    return np.array(found)


def w1_jets(generated: FloatArray, truth: FloatArray, *, sampling: Sampling, seed: int) -> Array:
    """Distances (B, F) of observables of jets (N, F) and (M, F): W1M of m/pT, W1EFP of the five `FOUR_BY_FOUR`."""
    return np.array(
        [
            [wasserstein(generated[i, f], truth[j, f]) for f in range(truth.shape[1])]
            for i, j in sampling.pairs(len(generated), len(truth), seed=seed)
        ]
    )


def mean_of_features(values: FloatArray) -> Array:
    """Mean over features (B,) of distances (B, F): what most papers call W1P and W1EFP."""
    mean: Array = np.asarray(values, dtype=np.float64).mean(axis=1)
    return mean


def inverse_variance_mean(values: FloatArray) -> Array:
    """Mean over features (B,) of distances (B, F), weighted by one over the variance from batch to batch.

    The feature that fluctuates least dominates: the relative pT in W1P.
    """
    values = np.asarray(values, dtype=np.float64)
    variance = values.var(axis=0)
    if not (variance > 0).all():
        return mean_of_features(values)
    mean: Array = values @ (1 / variance) / (1 / variance).sum()
    return mean


@compiled
def _between(x: Any, y: Any) -> float:
    """Area between the distribution functions of two sorted samples."""
    n, m, i, j = len(x), len(y), 0, 0
    area, before = 0.0, min(x[0], y[0])
    while i < n or j < m:
        at = y[j] if i == n or (j < m and y[j] < x[i]) else x[i]
        area += abs(i / n - j / m) * (at - before)
        before = at
        if i < n and x[i] == at:
            i += 1
        else:
            j += 1
    return float(area)
