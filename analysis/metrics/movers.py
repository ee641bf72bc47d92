"""Energy mover's distance of jets (Komiske, Metodiev, Thaler, arXiv:1902.02346), coverage and matching distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from analysis.errors import MetricError
from analysis.metrics.sampling import Array, Sampling, over_batches
from analysis.metrics.sic_and_auc import FloatArray, Measured


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
    first, second = (_particles(np.asarray(clouds, dtype=np.float64)) for clouds in (x, y))
    return np.array([[_distance(*one, *other) for other in second] for one in first]).reshape(len(first), len(second))


def coverage_and_mmd(generated: FloatArray, truth: FloatArray, *, sampling: Sampling, seed: int) -> Matching:
    """Coverage and matching distance of clouds (N, P, 3) and (M, Q, 3), over batches."""
    coverage, nearest = [], []
    for i, j in sampling.pairs(len(generated), len(truth), seed=seed):
        distances = movers_distances(generated[i], truth[j])
        coverage.append(len(np.unique(distances.argmin(axis=1))) / distances.shape[1])
        nearest.append(distances.min(axis=0).mean())
    return Matching(over_batches(coverage), over_batches(nearest))


def _particles(clouds: Array) -> list[tuple[Array, Array]]:
    """Places (p, 2) and pT (p,) of what is present in each of the clouds (N, P, 3)."""
    if clouds.ndim != 3 or clouds.shape[2] != 3 or not np.isfinite(clouds).all():
        raise MetricError(f"clouds are (N, P, 3) and finite; these are {clouds.shape}.")
    return [(cloud[present, :2], cloud[present, 2]) for cloud, present in zip(clouds, clouds[..., 2] > 0, strict=True)]


def _distance(x: Array, pt_x: Array, y: Array, pt_y: Array) -> float:
    """Energy mover's distance of particles at x (P, 2) and y (Q, 2).

    What one jet has less than the other, it gets in a fictitious particle at a distance of one from all others.
    """
    from ot import emd2  # imports torch, where there is one

    missing = pt_y.sum() - pt_x.sum()
    n, m = len(pt_x) + (missing > 0), len(pt_y) + (missing < 0)
    if not n * m:
        return 0.0
    cost = np.ones((n, m))
    cost[: len(pt_x), : len(pt_y)] = cdist(x, y)
    supply, demand = np.append(pt_x, missing)[:n], np.append(pt_y, -missing)[:m]
    # Both sides have the same sum by construction, and only the work is asked for.
    return float(emd2(supply, demand, cost, check_marginals=False, center_dual=False))
