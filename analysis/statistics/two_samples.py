"""Comparison of two weighted samples of one number: χ² in bins of equal content, and Kolmogorov–Smirnov."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.weights import effective_sample_size, standardised

FloatArray = NDArray[np.floating[Any]]

_BINS = 20


@dataclass(frozen=True)
class TwoSamples:
    """Comparison of two samples.

    Attributes
    ----------
    chi2, ndof, chi2_p_value : of the shares in bins of equal content of the first.
    ks, ks_p_value : largest distance of the cumulative distributions, and its asymptotic probability.
    deviation : root mean square of the relative difference of the bins, beyond statistics; zero where it is not seen.
    size : effective events N·M / (N + M) of the comparison.
    """

    chi2: float
    ndof: int
    chi2_p_value: float
    ks: float
    ks_p_value: float
    deviation: float
    size: float


def compare_samples(
    one: FloatArray,
    other: FloatArray,
    *,
    weights: FloatArray | None = None,
    other_weights: FloatArray | None = None,
    origin: NDArray[np.int64] | None = None,
) -> TwoSamples:
    """Compare values (N,) with others (M,), weighted (N,) and (M,); `origin` (M,) has equal numbers for copies.

    Both are compared in shape. Copies of one event fluctuate together: they count once, in bins and in the effective
    size of the second sample. Equal values stay in one bin.
    """
    w = np.ones(len(one)) if weights is None else standardised(weights)
    v = np.ones(len(other)) if other_weights is None else standardised(other_weights)
    number = np.arange(len(other)) if origin is None else np.unique(origin, return_inverse=True)[1]
    edges = np.unique(np.quantile(one, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = len(edges) + 1
    at, other_at = (np.searchsorted(edges, values, side="right") for values in (one, other))
    share, variance = _shares(at, w, np.arange(len(one)), bins)
    other_share, other_variance = _shares(other_at, v, number, bins)
    both = variance + other_variance
    seen = both > 0
    chi2, ndof = float(np.sum((share - other_share)[seen] ** 2 / both[seen])), max(int(seen.sum()) - 1, 1)
    sizes = effective_sample_size(w), effective_sample_size(np.bincount(number, v).astype(np.float64))
    size = sizes[0] * sizes[1] / (sizes[0] + sizes[1])
    distance = _distance(one, w, other, v)
    return TwoSamples(
        chi2,
        ndof,
        float(stats.chi2.sf(chi2, ndof)),
        distance,
        float(stats.kstwobign.sf(distance * np.sqrt(size))),
        float(np.sqrt(max(chi2 - ndof, 0.0) / size)),
        float(size),
    )


def _shares(
    at: NDArray[np.int64], weights: FloatArray, number: NDArray[np.int64], bins: int
) -> tuple[FloatArray, FloatArray]:
    """Share of the weight in every bin, and its variance, (bins,) each; equal numbers are one event."""
    total = weights.sum()
    content = np.bincount(at, weights, bins)
    together, inverse = np.unique(number.astype(np.int64) * bins + at, return_inverse=True)
    squared = np.bincount(inverse, weights) ** 2
    return content / total, np.bincount(together % bins, squared, bins) / total**2


def _distance(one: FloatArray, weights: FloatArray, other: FloatArray, other_weights: FloatArray) -> float:
    """Largest distance of two cumulative distributions, after all of equal values."""
    values = np.concatenate([one, other])
    signed = np.concatenate([weights / weights.sum(), -other_weights / other_weights.sum()])
    order = np.argsort(values, kind="stable")
    last = np.append(np.diff(values[order]) > 0, True)
    return float(np.abs(np.cumsum(signed[order])[last]).max())
