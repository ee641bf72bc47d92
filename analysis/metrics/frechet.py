"""Fréchet and kernel distances between samples of features (Kansal et al., arXiv:2211.10295)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics.sampling import Array, Sampling
from analysis.metrics.sic_and_auc import FloatArray, Measured


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (D,) and covariance (D, D) of features."""

    mean: Array
    covariance: Array


def moments(features: FloatArray) -> Moments:
    """Moments of features (N, D), such as the activations of a network; the covariance is unbiased.

    Raises
    ------
    TooFewEventsError
        If there are fewer than two rows.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2:
        raise TooFewEventsError(f"features of the shape {x.shape} have no covariance; it takes two rows (N, D).")
    mean = x.mean(axis=0)
    centred = x - mean
    return Moments(mean, centred.T @ centred / (len(x) - 1))


def frechet_distance(first: Moments, second: Moments) -> float:
    """Squared 2-Wasserstein distance of two Gaussians, |μ − ν|² + tr(Σ + Ω − 2 √(√Σ Ω √Σ)) (Dowson, Landau 1982).

    Raises
    ------
    MetricError
        If a covariance is not finite.
    """
    for which, known in (("first", first), ("second", second)):
        if not np.isfinite(known.covariance).all():
            raise MetricError(
                f"The covariance of the {which} sample is not finite: single events are so far away that squares "
                "overflow. Train the generator longer, or leave such events out and say how many."
            )
    values, vectors = np.linalg.eigh(first.covariance)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    # The eigenvalues of this symmetric matrix are those of Σ Ω; rounding makes small ones negative.
    common = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second.covariance @ root), 0, None)).sum()
    shift = first.mean - second.mean
    return float(shift @ shift + np.trace(first.covariance) + np.trace(second.covariance) - 2 * common)


@dataclass(frozen=True)
class FrechetSampling:
    """Sizes of batches, equally spaced in 1/N, that a Fréchet distance is extrapolated from.

    The estimate from N jets is too large by a term that falls like 1/N.
    """

    smallest: int = 20_000
    largest: int = 50_000
    sizes: int = 10
    batches: int = 20
    replacement: bool = True

    def at_most(self, n: int) -> FrechetSampling:
        """The same with batches of at most n jets, and smaller ones in proportion."""
        largest = min(self.largest, n)
        smallest = self.smallest * largest // self.largest
        return FrechetSampling(smallest, largest, self.sizes, self.batches, self.replacement)

    def __str__(self) -> str:
        how = "with" if self.replacement else "without"
        return f"{self.sizes} × {self.batches} batches of {self.smallest:,} to {self.largest:,} jets, {how} replacement"


def frechet_physics_distance(
    generated: FloatArray,
    truth: FloatArray,
    *,
    sampling: FrechetSampling | None = None,
    normalise: bool = True,
    seed: int,
) -> Measured:
    """FPD of features (N, D) and (M, D), extrapolated to infinitely many jets; never negative.

    Features are the 36 polynomials of `energy_flow_polynomials`; `normalise` divides them by their largest absolute
    value in the truth. The error is that of the extrapolation.

    Raises
    ------
    TooFewEventsError
        If a batch without replacement is larger than a sample.
    """
    sampling = sampling or FrechetSampling()
    x, y = _normalised(generated, truth) if normalise else _matching(generated, truth)
    sizes = (1 / np.linspace(1 / sampling.smallest, 1 / sampling.largest, sampling.sizes)).astype(int)
    if not sampling.replacement and sizes.max() > min(len(x), len(y)):
        raise TooFewEventsError(f"batches of {sizes.max()} from {len(x)} and {len(y)} jets take replacement.")
    rng = np.random.default_rng(seed)
    means = []
    for size in sizes:
        found = [
            frechet_distance(
                *(moments(z[rng.choice(len(z), size, replace=sampling.replacement, shuffle=False)]) for z in (x, y))
            )
            for _ in range(sampling.batches)
        ]
        means.append(np.mean(found))
    return _at_infinity(sizes, np.array(means))


def kernel_physics_distance(
    generated: FloatArray, truth: FloatArray, *, sampling: Sampling, normalise: bool = True, seed: int
) -> Measured:
    """KPD of features (N, D) and (M, D): unbiased squared maximum mean discrepancy of the kernel (x · y/D + 1)⁴.

    The median over batches and half of the range that holds the middle 67.45 %; scatters about zero for equal
    distributions. A jet that is drawn twice adds k(x, x) to the terms of different jets.
    """
    x, y = _normalised(generated, truth) if normalise else _matching(generated, truth)
    found = [
        _mean_kernel(x[i]) + _mean_kernel(y[j]) - 2 * _mean_kernel(x[i], y[j])
        for i, j in sampling.pairs(len(x), len(y), seed=seed)
    ]
    low, high = np.quantile(found, [0.16275, 0.83725])
    return Measured(float(np.median(found)), float(high - low) / 2)


def _at_infinity(sizes: FloatArray, values: Array) -> Measured:
    """Constant term, with its error, of a line in 1/N with coefficients that are not negative."""
    inverse = 1 / sizes
    # Of comparable columns, or the solver takes one of them for zero.
    columns = np.stack([np.ones(len(sizes)), inverse / inverse.mean()], axis=1)
    coefficients, residual = nnls(columns, np.maximum(values, 0))
    spread = residual**2 / max(1, len(sizes) - 2)
    return Measured(float(coefficients[0]), float(np.sqrt(spread * np.linalg.inv(columns.T @ columns)[0, 0])))


def _mean_kernel(x: Array, y: Array | None = None) -> float:
    """Mean of the kernel over pairs; over pairs of different rows if there is one sample."""
    other = x if y is None else y
    step = max(1, 2_000_000 // len(other))
    total = 0.0
    for start in range(0, len(x), step):
        product = x[start : start + step] @ other.T
        product /= x.shape[1]
        product += 1
        np.square(product, out=product)
        np.square(product, out=product)
        total += float(product.sum())
    if y is not None:
        return total / (len(x) * len(y))
    diagonal = float(((np.einsum("nd,nd->n", x, x) / x.shape[1] + 1) ** 4).sum())
    return (total - diagonal) / (len(x) * (len(x) - 1))


def _normalised(x: FloatArray, truth: FloatArray) -> tuple[Array, Array]:
    x, truth = _matching(x, truth)
    largest = np.abs(truth).max(axis=0)
    # A feature that is always zero has no scale of its own.
    scale = np.where(largest > 0, largest, 1.0)
    return x / scale, truth / scale


def _matching(x: FloatArray, y: FloatArray) -> tuple[Array, Array]:
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not (len(a) and len(b)):
        raise MetricError(f"features are (N, D) and (M, D) with at least one row; these are {a.shape} and {b.shape}.")
    bad = int((~np.isfinite(a)).any(axis=1).sum() + (~np.isfinite(b)).any(axis=1).sum())
    if bad:
        raise MetricError(f"{bad} rows of features are NaN or infinite.")
    return a, b
