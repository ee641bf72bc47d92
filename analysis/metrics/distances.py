"""How far apart two samples are: sliced Wasserstein distance and energy distance, weighted, without binning.

Both come from projections onto the same random directions, where a distance is an integral over the difference of two
empirical distribution functions: one sort per direction, whatever the number of features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics.sic_and_auc import FloatArray, Measured
from analysis.weights import unit

#: Of an effective event in each half that a floor is measured with.
_MINIMUM = 10


@dataclass(frozen=True)
class Distances:
    """Distances between two samples, in the unit of the features; 0 for equal samples.

    `wasserstein` is the sliced 1-Wasserstein distance (Bonneel, Rabin, Peyré, Pfister 2015): the mean over directions
    of the mean distance by which the mass of one projection has to be moved to give the other. A shift by d gives
    |d| · E|θ₁|, which is |d| for one feature and about |d|/2 for four.

    `energy` is the energy distance (Székely, Rizzo 2013), √(2 E|X − Y| − E|X − X′| − E|Y − Y′|), which is also the
    maximum mean discrepancy of the kernel −|x − y| (Sejdinovic et al. 1207.6076), up to a factor √2.
    """

    wasserstein: float
    energy: float


@dataclass(frozen=True)
class Floor:
    """Distances of two independent samples of one truth: mean, and standard deviation from sample to sample."""

    wasserstein: Measured
    energy: Measured


def sliced_distances(
    x: FloatArray,
    y: FloatArray,
    *,
    x_weights: FloatArray | None = None,
    y_weights: FloatArray | None = None,
    directions: int = 64,
    seed: int,
) -> Distances:
    """Distances of x (N, D) with weights (N,) and y (M, D) with weights (M,).

    Scale the features to comparable widths first. Equal seeds use equal directions; there are at least as many as
    asked for, in orthonormal sets of D. Weights may be negative as long as their sum is positive.

    Raises
    ------
    MetricError
        If shapes disagree, something is not finite, or weights sum to nothing.
    """
    (x, p), (y, q) = _sample("x", x, x_weights), _sample("y", y, y_weights)
    if x.shape[1] != y.shape[1]:
        raise MetricError(f"x has {x.shape[1]} features and y {y.shape[1]}; they must be the same.")
    step = np.concatenate([p / p.sum(), -q / q.sum()])
    first = second = 0.0
    frames = list(_frames(x.shape[1], directions, seed))
    for frame in frames:
        for projected in np.concatenate([x @ frame, y @ frame]).T:
            order = np.argsort(projected)
            width = np.diff(projected[order])
            difference = np.cumsum(step[order])[:-1]
            first += float(np.abs(difference) @ width)
            second += float(difference**2 @ width)
    count = len(frames) * x.shape[1]
    return Distances(first / count, math.sqrt(2 * second / count / _mean_cosine(x.shape[1])))


def distance_floor(
    x: FloatArray,
    *,
    weights: FloatArray | None = None,
    against: float,
    splits: int = 10,
    directions: int = 64,
    seed: int,
) -> Floor:
    """What `sliced_distances` gives for x (N, D) and `against` events of weight one if both have the same truth.

    Truth against truth: random halves of x, whose distances are scaled to the sizes that were asked for; both fall with
    the root of 1/N + 1/M, of effective numbers of events. Use the `directions` and `seed` of the distance itself.

    Raises
    ------
    TooFewEventsError
        If a half has fewer than 10 effective events.
    """
    x, w = _sample("x", x, weights)
    if _effective(w) < 2 * _MINIMUM:
        raise TooFewEventsError(f"{_effective(w):.1f} effective events; a floor needs at least {2 * _MINIMUM}.")
    size = 1 / _effective(w) + 1 / against
    rng = np.random.default_rng([seed, 1])
    found = []
    for _ in range(splits):
        one, other = np.array_split(rng.permutation(len(x)), 2)
        halves = sliced_distances(
            x[one], x[other], x_weights=w[one], y_weights=w[other], directions=directions, seed=seed
        )
        scale = math.sqrt(size / (1 / _effective(w[one]) + 1 / _effective(w[other])))
        found.append((halves.wasserstein * scale, halves.energy * scale))
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    return Floor(*(Measured(float(m), float(s)) for m, s in zip(mean, spread, strict=True)))


def _frames(features: int, directions: int, seed: int) -> Iterator[FloatArray]:
    """Random orthonormal frames (D, D), one direction per column; together they average better than single ones."""
    rng = np.random.default_rng(seed)
    for _ in range(math.ceil(directions / features)):
        yield np.linalg.qr(rng.standard_normal((features, features)))[0]


def _mean_cosine(features: int) -> float:
    """E|θ₁| of a random direction θ: a length is this much shorter in projection, on average."""
    return math.exp(math.lgamma(features / 2) - math.lgamma((features + 1) / 2)) / math.sqrt(math.pi)


def _effective(weights: FloatArray) -> float:
    """Events of weight one that would fluctuate as much."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def _sample(name: str, x: FloatArray, weights: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    x = np.asarray(x, dtype=float)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=float)
    if x.ndim != 2 or w.shape != x.shape[:1]:
        raise MetricError(f"{name} must be (N, D) with weights (N,); they are {x.shape} and {w.shape}.")
    bad = int((~np.isfinite(x)).any(axis=1).sum() + (~np.isfinite(w)).sum())
    if bad:
        raise MetricError(f"{name}: {bad} events or weights are NaN or infinite.")
    if not w.sum() > 0:
        raise MetricError(f"{name}: {len(x)} events with weights that sum to {w.sum():g}: nothing to compare.")
    return x, w / unit(w)
