"""What the template predicts to pass a cut, and how unlikely the data are under that prediction.

Hein, Krämer, Mück et al. 2411.00085 take the background after the cut directly from the template; no fit of the mass
spectrum enters. The cut of every fold is a quantile of held-out template scores, so it is fixed without data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.events import FloatArray
from analysis.statistics.counting import log_p_to_z, on_off_log_p_value
from analysis.weights import sum_and_unit
from cathode.errors import TooFewEventsError
from cathode.result import CutResult


@dataclass(frozen=True, eq=False)
class Cut:
    """Thresholds at one background efficiency, one per fold."""

    background_efficiency: float
    thresholds: NDArray[np.float64]

    def passes(self, scores: FloatArray, fold: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which events pass, (N,), from their held-out scores and folds."""
        return np.asarray(scores >= self.thresholds[fold])


@dataclass(frozen=True)
class Count:
    """What passes a cut: data events observed, template events passing and in total, background expected.

    `per_event` is Σw²/Σw of the data: so much weight fluctuates like one event of weight one.
    """

    observed: float
    expected: float
    template_passing: int
    template_total: int
    per_event: float = 1.0


def make_cut(background_efficiency: float, scores: FloatArray, fold: NDArray[np.int64], folds: int) -> Cut:
    """Thresholds such that the given fraction of the held-out template of every fold passes.

    Raises
    ------
    TooFewEventsError
        If less than one template event per fold would pass.
    """
    thresholds = np.empty(folds)
    for index in range(folds):
        mine = np.sort(scores[fold == index])[::-1]
        rank = events_passing(background_efficiency, len(mine), f"the template events of fold {index}")
        thresholds[index] = mine[rank - 1]
    return Cut(background_efficiency, thresholds)


def events_passing(background_efficiency: float, events: int, what: str) -> int:
    """Template events of a fold that shall pass, of so many; `what` names them in the error.

    Raises
    ------
    TooFewEventsError
        If it is less than one.
    """
    rank = round(background_efficiency * events)
    if rank < 1:
        raise TooFewEventsError(
            f"Background efficiency {background_efficiency:g} leaves {background_efficiency * events:.2g} of {what}, "
            f"which are {events}. Raise the oversampling, loosen the cut or use fewer folds."
        )
    return rank


def count(
    cut: Cut,
    data_scores: FloatArray,
    data_weights: FloatArray,
    data_fold: NDArray[np.int64],
    template_scores: FloatArray,
    template_fold: NDArray[np.int64],
) -> Count:
    """Count data and template above the cut and predict the background, fold by fold."""
    data_passes = cut.passes(data_scores, data_fold)
    template_passes = cut.passes(template_scores, template_fold)
    folds = len(cut.thresholds)
    efficiency = np.bincount(template_fold, template_passes, folds) / np.bincount(template_fold, minlength=folds)
    expected = float(efficiency @ np.bincount(data_fold, data_weights, folds))
    # Of all data and not of the few that pass, whose own mean would fluctuate with the count.
    per_event = sum_and_unit(data_weights)[1]
    observed = float(data_weights[data_passes].sum())
    return Count(observed, expected, int(template_passes.sum()), len(template_scores), per_event)


def background_only(counts: Count, cut: Cut, *, systematic: float, signal_efficiency: float | None) -> CutResult:
    """p-values of a count.

    `systematic` is relative. The exact p-value counts data against the finite template (negative binomial). The p-value
    with the systematic uses the same formula: prediction and uncertainty are those of an auxiliary Poisson measurement
    of (1/relative error)² events (Cousins, Linnemann & Tucker, physics/0702156), so that without a systematic both
    agree exactly. Weighted counts are compared as scaled Poisson counts (Bohm & Zech, 1309.1287), so that no
    probability depends on the unit of the weights.
    """
    statistical = counts.template_passing**-0.5
    log_p = _log_p_value(counts, statistical**2 + systematic**2)
    return CutResult(
        background_efficiency=cut.background_efficiency,
        observed=counts.observed,
        expected=counts.expected,
        statistical=counts.expected * statistical,
        systematic=counts.expected * systematic,
        p_value_exact=float(np.exp(_log_p_value(counts, statistical**2))),
        p_value=float(np.exp(log_p)),
        significance=max(0.0, float(log_p_to_z(log_p))),
        thresholds=tuple(float(t) for t in cut.thresholds),
        template_passing=counts.template_passing,
        template_total=counts.template_total,
        signal_efficiency=signal_efficiency,
    )


def _log_p_value(counts: Count, relative_variance: float) -> float:
    """Logarithm of the p-value if the prediction comes from an auxiliary count of that relative variance."""
    auxiliary = 1.0 / relative_variance
    # Negative weights can leave less than nothing, which is no excess.
    observed, expected = max(counts.observed, 0.0) / counts.per_event, counts.expected / counts.per_event
    # One event less, because the cut itself is a template event: see `order_statistic_p_value`.
    return float(on_off_log_p_value(observed, max(auxiliary - 1.0, 0.0), auxiliary / expected))
