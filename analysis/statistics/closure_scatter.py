"""From differences between counted and predicted background, where there is no signal, to a systematic error.

A difference in one validation region is mostly the statistics of that region. What several of them say together is how
much they scatter beyond their errors, and whether they have a common mean.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from analysis.errors import CountingError

FloatArray = NDArray[np.floating[Any]]

#: A common mean that is so many errors from zero is corrected for.
SIGNIFICANT = 2.0

#: Cuts whose means and scatters differ with a smaller probability than this are not pooled.
POOLED = 0.05

#: A prediction is not cut to less than half of itself: then nothing is known, and the scatter says so.
_LARGEST_CUT = -0.5

_ROUNDS = 5


@dataclass(frozen=True)
class ClosureScatter:
    """What validation regions say of the prediction in another region; all relative to the predicted background.

    Attributes
    ----------
    shift : the prediction is to be multiplied by 1 + shift; zero where the regions have no significant mean.
    shift_error : error of the shift, zero where there is none.
    scatter_squared, scatter_squared_error : τ², the variance beyond the statistics of the regions, and its error; an
        estimate, which may be negative.
    systematic : relative error of the prediction, of scatter and shift together.
    resolution : a scatter smaller than this can not be told from none.
    mean, mean_error : weighted mean of all regions, corrected for or not.
    """

    shift: float
    shift_error: float
    scatter_squared: float
    scatter_squared_error: float
    systematic: float
    resolution: float
    mean: float
    mean_error: float


def closure_scatter(shifts: ArrayLike, covariance: ArrayLike) -> ClosureScatter:
    """Systematic error of a prediction from its relative differences in signal-free regions.

    Each difference (R,) is taken as δ = µ + t + ε: a common mean, a part of standard deviation τ that is another one in
    every region, and statistics with the covariance (R, R). τ² is estimated from squares, so that differences of
    opposite sign never cancel: Σ w (δ² − σ²)/Σ w with the best weights for what was found, and the same with
    differences to the mean (DerSimonian & Laird 1986) where the mean is `SIGNIFICANT` and corrected for. The variance
    that enters the systematic is the mean of τ² ≥ 0 given the estimate and its error. It never vanishes and is
    continuous in the differences: where nothing is resolved, it is what could not be seen. Few regions widen it.

    Raises
    ------
    CountingError
        If the covariance is no covariance of the differences, or something is not finite.

    Examples
    --------
    >>> found = closure_scatter([0.30, -0.30, 0.28, -0.31], np.diag([0.05**2] * 4))
    >>> round(found.systematic, 2), found.shift
    (0.44, 0.0)
    """
    delta, cov = np.asarray(shifts, float), np.asarray(covariance, float)
    _require(delta, cov)
    centred = _about_mean(delta, cov)
    weights = 1 / (np.diag(cov) + max(centred.value, 0))
    mean = float(weights @ delta / weights.sum())
    total = cov + max(centred.value, 0) * np.eye(len(delta))
    mean_error = float(np.sqrt(weights @ total @ weights) / weights.sum())
    corrected = len(delta) > 1 and abs(mean) > SIGNIFICANT * mean_error and mean > _LARGEST_CUT
    found = centred if corrected else _scatter(delta, cov, np.eye(len(delta)))
    shift, shift_error = (mean, mean_error) if corrected else (0.0, 0.0)
    variance = _positive_mean(found.value, found.error) * _few(found, cov)
    return ClosureScatter(
        shift=shift,
        shift_error=shift_error,
        scatter_squared=found.value,
        scatter_squared_error=found.error,
        systematic=float(np.sqrt(variance + shift_error**2)),
        resolution=float(np.sqrt(_scatter(np.zeros_like(delta), cov, found.projection).error)),
        mean=mean,
        mean_error=mean_error,
    )


def pooled_closure_scatter(
    shifts: Sequence[ArrayLike], covariance: ArrayLike
) -> tuple[tuple[ClosureScatter, ...], float]:
    """`closure_scatter` of several cuts, with one mean and one scatter where a χ² test allows it.

    Of every cut the differences (R_c,), and the covariance of all with all, in this order. Means and scatters of the
    cuts are compared; where they agree (p above `POOLED`), all cuts share what all differences together say. Returns
    one `ClosureScatter` for each cut, and p. A tight cut, whose differences alone resolve nothing, gains most.

    Raises
    ------
    CountingError
        As `closure_scatter`.
    """
    each = [np.asarray(one, float) for one in shifts]
    cov = np.asarray(covariance, float)
    together = closure_scatter(np.concatenate(each), cov)
    ends = np.cumsum([0] + [len(one) for one in each])
    parts = [slice(first, last) for first, last in itertools.pairwise(ends)]
    alone = tuple(closure_scatter(one, cov[part, part]) for one, part in zip(each, parts, strict=True))
    if len(each) == 1:
        return alone, 1.0
    p_value = _agreement(np.concatenate(each), cov, parts)
    return ((together,) * len(each) if p_value > POOLED else alone), p_value


def _agreement(delta: FloatArray, cov: FloatArray, parts: Sequence[slice]) -> float:
    """Chance that means and scatters of parts with a common mean and scatter are as different as these."""
    squared = [_about_mean(delta[part], cov[part, part]) for part in parts if part.stop - part.start > 1]
    values, errors = (np.array([getattr(one, name) for one in squared]) for name in ("value", "error"))
    # Within the parts: a difference between them must not excuse itself.
    common = float(np.average(values, weights=errors**-2)) if squared else 0.0
    chi2, freedom = float(np.sum(((values - common) / errors) ** 2)), max(len(squared) - 1, 0)
    total = cov + max(common, 0.0) * np.eye(len(delta))
    take = np.zeros((len(parts), len(delta)))
    for row, part in enumerate(parts):
        weights = 1 / np.diag(total)[part]
        take[row, part] = weights / weights.sum()
    means, spread = take @ delta, take @ total @ take.T
    contrast = np.eye(len(parts))[1:] - np.eye(len(parts))[0]
    away = contrast @ means
    chi2 += float(away @ np.linalg.solve(contrast @ spread @ contrast.T, away))
    return float(stats.chi2.sf(chi2, freedom + len(parts) - 1))


@dataclass(frozen=True, eq=False)
class _Squared:
    """An estimate of τ², its error, and the projection (R, R) that took the mean away, if anything did."""

    value: float
    error: float
    projection: FloatArray


def _about_mean(delta: FloatArray, cov: FloatArray) -> _Squared:
    """Scatter of the differences about their own mean."""
    if len(delta) == 1:
        return _Squared(0.0, 0.0, np.eye(1))
    weights = 1 / np.diag(cov)
    projection = np.eye(len(delta)) - weights / weights.sum()
    return _scatter(delta, cov, projection)


def _scatter(delta: FloatArray, cov: FloatArray, projection: FloatArray) -> _Squared:
    """τ² of the projected differences: their squares less what statistics give, weighted."""
    rest = projection @ delta
    expected, share = np.diag(projection @ cov @ projection.T), np.diag(projection @ projection.T)
    value = 0.0
    for _ in range(_ROUNDS):
        total = projection @ (cov + max(value, 0.0) * np.eye(len(delta))) @ projection.T
        # The variance of a square of a normal number is twice that of its variance squared.
        weights = share / np.diag(total) ** 2
        value = float(weights @ (np.square(rest) - expected) / (weights @ share))
    error = float(np.sqrt(2 * weights @ np.square(total) @ weights) / (weights @ share))
    return _Squared(value, error, projection)


def _positive_mean(value: float, error: float) -> float:
    """Mean of a normal distribution that is cut at zero."""
    if error == 0:
        return max(value, 0.0)
    z = value / error
    # φ/Φ through the logarithm of Φ, which is exact far below zero.
    ratio = np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - special.log_ndtr(z))
    return float(max(value + error * ratio, 0.0))


def _few(found: _Squared, cov: FloatArray) -> float:
    """Factor for a scatter that few regions show: ν/(ν − 2), the mean of the inverse of χ²/ν, as far as it is seen.

    A region with large errors shows little of it and counts less among the ν.
    """
    variance = max(found.value, 0.0)
    if variance == 0:
        return 1.0
    seen = variance / (variance + np.diag(cov))
    weights = np.square(seen / seen.max())
    freedom = float(np.trace(found.projection)) * float(weights.mean())
    return 1 + float(np.average(seen, weights=weights)) * 2 / max(freedom - 2, 1.0)


def _require(delta: FloatArray, cov: FloatArray) -> None:
    if delta.ndim != 1 or not len(delta) or cov.shape != (len(delta), len(delta)):
        raise CountingError(
            f"{delta.shape} differences with a covariance of {cov.shape}: one difference per region is needed, and a "
            "covariance of all with all."
        )
    if not (np.isfinite(delta).all() and np.isfinite(cov).all()):
        raise CountingError("A difference between counted and predicted background, or its error, is not finite.")
    if not (np.allclose(cov, cov.T) and np.linalg.eigvalsh(cov)[0] >= -1e-9 * cov.max() and (np.diag(cov) > 0).all()):
        raise CountingError("The covariance of the differences must be symmetric, with positive variances.")
