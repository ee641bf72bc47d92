"""Energy mover's distance of jets (Komiske, Metodiev, Thaler, arXiv:1902.02346), coverage and matching distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.errors import MetricError
from analysis.metrics.ranking import FloatArray, Measured
from analysis.metrics.sampling import Array, Sampling, over_batches
from analysis.metrics.transport import all_pairs


@dataclass(frozen=True)
class Matching:
    """How two samples of jets cover each other.

    `coverage` is the fraction of true jets that are the nearest of some generated one; `mmd` the mean over true jets of
    the distance to the nearest generated one (Achlioptas et al., arXiv:1707.02392). Both depend strongly on the number
    of jets.
    """

    coverage: Measured
    mmd: Measured


def energy_movers_distance(x: FloatArray, y: FloatArray) -> float:
    """Least work Σ pT · ΔR that turns jet x (P, 3) = (Δη, Δφ, relative pT) into y (Q, 3), plus |Δ Σ pT| · R, R = 1."""
    return float(movers_distances(np.asarray(x)[None], np.asarray(y)[None])[0, 0])


def movers_distances(x: FloatArray, y: FloatArray) -> Array:
    """Energy mover's distances (N, M) of all pairs of clouds (N, P, 3) and (M, Q, 3); differences in φ as they are.

    Raises
    ------
    MetricError
        If a cloud has another shape or is not finite.
    """
    first, second = (np.ascontiguousarray(clouds, dtype=np.float64) for clouds in (x, y))
    for clouds in (first, second):
        if clouds.ndim != 3 or clouds.shape[2] != 3 or not np.isfinite(clouds).all():
            raise MetricError(f"clouds are (N, P, 3) and finite; these are {clouds.shape}.")
    found = np.empty((len(first), len(second)))
    all_pairs(first, second, found)
    return found


def coverage_and_mmd(generated: FloatArray, truth: FloatArray, *, sampling: Sampling, seed: int) -> Matching:
    """Coverage and matching distance of clouds (N, P, 3) and (M, Q, 3), over batches."""
    coverage, nearest = [], []
    for i, j in sampling.pairs(len(generated), len(truth), seed=seed):
        distances = movers_distances(generated[i], truth[j])
        coverage.append(len(np.unique(distances.argmin(axis=1))) / distances.shape[1])
        nearest.append(distances.min(axis=0).mean())
    return Matching(over_batches(coverage), over_batches(nearest))
