"""What the template predicts to pass a cut, and how unlikely the data are under that prediction.

Hein, Krämer, Mück et al. 2411.00085 take the background after the cut directly from the template; no fit of the mass
spectrum enters. The cut of every fold is a quantile of held-out template scores, so it is fixed without data.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.errors import TooFewEventsError
from analysis.events import FloatArray
from analysis.statistics.p_values import log_p_to_z, on_off_deficit_p_value, on_off_log_p_value, p_to_z
from analysis.weights import effective_sample_size, sum_and_unit
from cathode.errors import WeightsError
from cathode.result import CutResult

if TYPE_CHECKING:
    from cathode.methods.protocol import Reference
    from cathode.template.mass_models import Expected


#: Deficits of less probable than double precision knows.
_LARGEST_DEFICIT = 38.0


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

    `per_event` is Σw²/Σw of the data: so much weight fluctuates like one event of weight one. `effective` is
    (Σw)²/Σw² of the template events that pass, which is their number where they have no weights and none is a copy of
    another: copies count as one event of their weight. `efficiency` is the share of the reference that passes, by
    weight.
    """

    observed: float
    expected: float
    template_passing: int
    template_total: int
    effective: float
    per_event: float = 1.0
    efficiency: float | None = None


def make_cut(background_efficiency: float, reference: Reference, folds: int) -> Cut:
    """Thresholds such that the given fraction of the held-out reference of every fold passes, by weight.

    Raises
    ------
    TooFewEventsError
        If less than one event of the reference per fold would pass.
    WeightsError
        If the weights of the reference of a fold do not sum to more than nothing.
    """
    thresholds = np.empty(folds)
    for index in range(folds):
        mine = reference.fold == index
        scores, weights = reference.scores[mine], reference.weights[mine]
        total = sum_and_unit(weights)[0]
        if not total > 0:
            raise WeightsError(
                f"The weights of the {len(weights)} events of the reference in fold {index} sum to {total:g}, so no "
                "share of them can pass a cut. Use fewer folds, or a reference with fewer negative weights."
            )
        order = np.argsort(-scores, kind="stable")
        rank = events_passing(background_efficiency, len(scores), f"the template events of fold {index}")
        if np.ptp(weights) > 0:
            share = np.cumsum(weights[order]) / weights.sum()
            rank = 1 + int(np.argmin(np.abs(share - background_efficiency)))
        thresholds[index] = scores[order][rank - 1]
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


def count(cut: Cut, scores: FloatArray, weights: FloatArray, fold: NDArray[np.int64], reference: Reference) -> Count:
    """Count data (N,) and reference above the cut and predict the background, fold by fold."""
    passes = cut.passes(scores, fold)
    reference_passes = cut.passes(reference.scores, reference.fold)
    folds = len(cut.thresholds)
    passing = np.where(reference_passes, reference.weights, 0.0)
    efficiency = np.bincount(reference.fold, passing, folds) / np.bincount(reference.fold, reference.weights, folds)
    expected = float(efficiency @ np.bincount(fold, weights, folds))
    # Of all data and not of the few that pass, whose own mean would fluctuate with the count.
    per_event = sum_and_unit(weights)[1]
    return Count(
        observed=float(weights[passes].sum()),
        expected=expected,
        template_passing=int(reference_passes.sum()),
        template_total=len(reference),
        effective=effective_sample_size(_of_origins(passing, reference)),
        per_event=per_event,
        efficiency=float(passing.sum() / reference.weights.sum()),
    )


def _of_origins(weights: FloatArray, reference: Reference) -> FloatArray:
    """Weights (T,) of the reference, summed over the copies of each event."""
    return weights if reference.origin is None else np.bincount(reference.origin, weights).astype(np.float64)


def background_only(
    counts: Count,
    cut: Cut,
    *,
    systematic: float,
    shift: float = 0.0,
    resolution: float = 0.0,
    ensemble_spread: float | None = None,
    signal_efficiency: float | None,
) -> CutResult:
    """p-values of a count.

    The prediction is multiplied by 1 + `shift`; `systematic` is relative to it before that, and at least the
    `ensemble_spread`: validation regions, whose templates scatter too, contain that already. The exact p-value counts
    data against the finite template (negative binomial). The p-value with the systematic uses the same formula:
    prediction and uncertainty are those of an auxiliary Poisson measurement of (1/relative error)² events (Cousins,
    Linnemann & Tucker, physics/0702156), so that without a systematic both agree exactly. Weighted counts are compared
    as scaled Poisson counts (Bohm & Zech, 1309.1287), so that no probability depends on the unit of the weights.
    Where the reference predicts no background above the cut, as with weights that cancel, nothing is claimed: errors,
    p-values and significance are NaN, and `reason` says why.
    """
    if not (counts.expected > 0 and counts.effective > 0):
        return _nothing(counts, cut, signal_efficiency)
    counts = dataclasses.replace(counts, expected=counts.expected * (1 + shift))
    systematic = max(systematic / (1 + shift), ensemble_spread or 0.0)
    statistical = counts.effective**-0.5
    variance = statistical**2 + systematic**2
    log_p = _log_p_value(counts, variance)
    return CutResult(
        background_efficiency=cut.background_efficiency,
        observed=counts.observed,
        expected=counts.expected,
        statistical=counts.expected * statistical,
        systematic=counts.expected * systematic,
        p_value_exact=float(np.exp(_log_p_value(counts, statistical**2))),
        p_value=float(np.exp(log_p)),
        significance=_significance(counts, variance),
        thresholds=tuple(float(t) for t in cut.thresholds),
        template_passing=counts.template_passing,
        template_total=counts.template_total,
        signal_efficiency=signal_efficiency,
        shift=shift,
        resolution=resolution,
        ensemble_spread=ensemble_spread,
        realised_efficiency=counts.efficiency,
        per_event=counts.per_event,
    )


def _nothing(counts: Count, cut: Cut, signal_efficiency: float | None) -> CutResult:
    """What is said where the reference predicts nothing to count against."""
    return CutResult(
        background_efficiency=cut.background_efficiency,
        observed=counts.observed,
        expected=counts.expected,
        statistical=np.nan,
        systematic=np.nan,
        p_value_exact=np.nan,
        p_value=np.nan,
        significance=np.nan,
        thresholds=tuple(float(t) for t in cut.thresholds),
        template_passing=counts.template_passing,
        template_total=counts.template_total,
        signal_efficiency=signal_efficiency,
        reason=f"the weights of the {counts.template_passing} reference events above the cut sum to nothing positive",
    )


def from_spectrum(
    counts: Count, cut: Cut, expected: Expected | None, *, reason: str = "", signal_efficiency: float | None
) -> CutResult:
    """p-value of a count whose expectation is a fit of the mass spectrum after the cut, in the sidebands.

    For methods whose reference predicts nothing. `expected` is None where that fit failed, for a `reason`; then nothing
    is claimed. The error of the fit enters as in `background_only`; its chi-square says whether the cut left a spectrum
    that it can describe.
    """
    events, error = (np.nan, np.nan) if expected is None else (expected.events, expected.error)
    p_value = significance = np.nan
    if expected is not None and events > 0:
        fitted, variance = dataclasses.replace(counts, expected=events), max((error / events) ** 2, 1e-12)
        log_p = _log_p_value(fitted, variance)
        p_value, significance = float(np.exp(log_p)), _significance(fitted, variance)
    return CutResult(
        background_efficiency=cut.background_efficiency,
        observed=counts.observed,
        expected=events,
        statistical=error,
        systematic=0.0,
        p_value_exact=p_value,
        p_value=p_value,
        significance=significance,
        thresholds=tuple(float(t) for t in cut.thresholds),
        template_passing=counts.template_passing,
        template_total=counts.template_total,
        signal_efficiency=signal_efficiency,
        estimate="spectrum",
        reason=reason or "the reference of this method is no background at the masses of the window",
        realised_efficiency=counts.efficiency,
        per_event=counts.per_event,
    )


def _log_p_value(counts: Count, relative_variance: float) -> float:
    """Logarithm of the p-value if the prediction comes from an auxiliary count of that relative variance."""
    observed, expected = counts.observed / counts.per_event, counts.expected / counts.per_event
    return float(on_off_log_p_value(*_on_off(observed, expected, relative_variance)))


def _significance(counts: Count, relative_variance: float) -> float:
    return signed_significance(
        counts.observed / counts.per_event, counts.expected / counts.per_event, relative_variance
    )


def signed_significance(observed: float, expected: float, relative_variance: float) -> float:
    """Significance of events over a prediction of that relative variance, all in effective events.

    Of the p-value for an excess, of that of the other tail for a deficit, and 0 if neither is below ½.
    """
    log_p = float(on_off_log_p_value(*_on_off(observed, expected, relative_variance)))
    if log_p < np.log(0.5):
        return float(log_p_to_z(log_p))
    other = float(on_off_deficit_p_value(*_on_off(observed, expected, relative_variance)))
    return -float(np.clip(p_to_z(other), 0.0, _LARGEST_DEFICIT))


def _on_off(observed: float, expected: float, relative_variance: float) -> tuple[float, float, float]:
    """Data events, and events and size ratio of the auxiliary count that predicts them, in effective events."""
    auxiliary = 1.0 / relative_variance
    # Negative weights can leave less than nothing, which is no excess; one event less, because the cut itself is a
    # template event: see `order_statistic_p_value`.
    return max(observed, 0.0), max(auxiliary - 1.0, 0.0), auxiliary / expected
