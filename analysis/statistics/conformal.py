"""Conformal p-values: valid for any score and any sample size, if calibration and test events are exchangeable.

Vovk, Gammerman & Shafer (2005); for anomaly detection in mass windows Araz & Spannowsky, 2606.13780. A p-value can not
be smaller than 1/(n + 1) with n calibration events, and all events of a test share their calibration events, so counts
of small p-values scatter more than a binomial.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.errors import AnalysisError

Array = NDArray[np.floating[Any]]


def resolution(calibration: int) -> float:
    """The smallest p-value that so many calibration events can give.

    >>> resolution(99)
    0.01
    """
    return 1.0 / (calibration + 1)


def conformal_p_values(
    scores: Array,
    calibration: Array,
    *,
    weights: Array | None = None,
    calibration_weights: Array | None = None,
) -> NDArray[np.float64]:
    """p-values (N,) of scores (N,) against calibration scores (n,); larger scores are less like background.

    p = (1 + number of calibration scores that are as large) / (n + 1). With weights (Tibshirani et al., 1904.06019),
    the ratios of the density of the test over that of the calibration at every event, those of the calibration (n,)
    and those of the scores (N,) take the places of the ones: this repairs a known difference between both.

    Raises
    ------
    AnalysisError
        If there is no calibration event, one score is NaN, or weights are negative or of another length.

    >>> conformal_p_values(np.array([0.5, 5.0]), np.array([1.0, 2.0, 3.0]))
    array([1.  , 0.25])
    """
    w = _weights(calibration_weights, len(calibration), "calibration")
    own = _weights(weights, len(scores), "test")
    _refuse_nan(scores, calibration)
    order = np.argsort(calibration)
    # Summed from the largest down, the small sums that decide small p-values are exact.
    above = np.concatenate([np.cumsum(w[order][::-1])[::-1], [0.0]])
    as_large = above[np.searchsorted(calibration[order], scores, side="left")]
    return np.asarray((own + as_large) / (own + above[0]), dtype=np.float64)


def mondrian_p_values(
    scores: Array, calibration: Array, *, groups: NDArray[Any], calibration_groups: NDArray[Any]
) -> NDArray[np.float64]:
    """p-values (N,) against the calibration scores (n,) of the same group, such as a bin of mass or a fold.

    Valid within each group, also where the distribution of scores differs between groups.

    Raises
    ------
    AnalysisError
        If a group of the test has no calibration event; names it. Otherwise as `conformal_p_values`.
    """
    found = np.empty(len(scores))
    for group in np.unique(groups):
        mine, theirs = groups == group, calibration_groups == group
        if not theirs.any():
            raise AnalysisError(f"Group {group} has {int(mine.sum())} events and no calibration event. Merge groups.")
        found[mine] = conformal_p_values(scores[mine], calibration[theirs])
    return found


def expected_count(alpha: float, events: int, calibration: int) -> tuple[float, float]:
    """Mean and standard deviation of the number of `events` whose conformal p-value is at most `alpha`.

    Of n calibration events the k = ⌊α(n + 1)⌋ largest lie at or above the cut; a fraction of the background distributed
    as Beta(k, n + 1 − k) lies above it, the same for all events: the count is beta-binomial.
    """
    count = _counts(alpha, events, calibration)
    return float(count.mean()), float(count.std())


def count_p_value(observed: int, alpha: float, events: int, calibration: int) -> float:
    """Probability of at least `observed` of `events` conformal p-values up to `alpha`, without a signal.

    Raises
    ------
    AnalysisError
        If `alpha` is below the resolution of so many calibration events.

    >>> round(count_p_value(1, 0.5, 1, 1), 3)
    0.5
    """
    return float(_counts(alpha, events, calibration).sf(observed - 1))


def _counts(alpha: float, events: int, calibration: int) -> Any:
    if not 0 < alpha < 1:
        raise AnalysisError(f"alpha = {alpha} must lie between 0 and 1.")
    # A product such as 0.29 * 100 must not lose an event to rounding.
    largest = math.floor(alpha * (calibration + 1) * (1 + 1e-12))
    if largest < 1:
        raise AnalysisError(
            f"alpha = {alpha:g} is below the resolution {resolution(calibration):.2g} of {calibration} calibration "
            "events. Use a larger alpha, or more of them."
        )
    return stats.betabinom(events, largest, calibration + 1 - largest)


def _weights(weights: Array | None, events: int, name: str) -> NDArray[np.float64]:
    if weights is None:
        return np.ones(events)
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (events,) or not np.all(np.isfinite(found)) or (found < 0).any():
        raise AnalysisError(f"The {name} weights must be {events} finite numbers that are not negative.")
    return found


def _refuse_nan(scores: Array, calibration: Array) -> None:
    if not len(calibration):
        raise AnalysisError("There is no calibration event.")
    bad = int(np.isnan(scores).sum() + np.isnan(calibration).sum())
    if bad:
        raise AnalysisError(f"{bad} of the scores are NaN, which are neither large nor small.")
