"""How far the prediction is off in validation regions, with the covariance of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import TooFewEventsError
from analysis.events import FloatArray
from analysis.weights import effective_sample_size, standardised
from cathode.cut_and_count import count, make_cut
from cathode.region import Interval
from cathode.result import RegionShift
from cathode.validation.trial import Trial

#: Background events that a group of regions has to expect above a cut, so that their number is about normal.
ENOUGH = 10.0


@dataclass(frozen=True, eq=False)
class RegionShifts:
    """Shifts of one cut in all regions, and their covariance (R, R)."""

    regions: tuple[RegionShift, ...]
    covariance: FloatArray


def region_shifts(efficiency: float, trials: Sequence[Trial], regions: Sequence[Interval], folds: int) -> RegionShifts:
    """Relative differences of counted and predicted events, means over trials with the same data.

    The cut of a region is the quantile of the reference in that region. Events that pass in a fraction f of the trials
    add f² to the variance of the mean count; references of the trials are independent, but one event of which several
    regions hold copies moves them all. Regions in which few are expected are counted together, from the outside.

    Raises
    ------
    TooFewEventsError
        If all regions together are too few for the cut.
    """
    groups = _groups(efficiency, trials[0], regions)
    counted = [[_in_group(efficiency, trial, group, folds) for group in groups] for trial in trials]
    shifts = np.mean([[each.shift for each in row] for row in counted], axis=0)
    expected = np.mean([[each.expected for each in row] for row in counted], axis=0)
    data = np.diag([_in_common([row[index] for row in counted]) for index in range(len(groups))] / expected)
    covariance = data + np.mean([_of_reference(row) for row in counted], axis=0) / len(trials)
    errors = np.sqrt(np.diag(covariance))
    found = tuple(
        RegionShift(
            efficiency,
            min(interval.low for interval in group),
            max(interval.high for interval in group),
            float((1 + shift) * events),
            float(events),
            float(shift),
            float(error),
        )
        for group, shift, events, error in zip(groups, shifts, expected, errors, strict=True)
    )
    return RegionShifts(found, covariance)


@dataclass(frozen=True, eq=False)
class _Counted:
    """One group of regions in one trial; `copies` is the share of the prediction per origin, (origins,)."""

    shift: float
    expected: float
    weights: FloatArray
    passes: NDArray[np.bool_]
    copies: FloatArray


def _groups(efficiency: float, trial: Trial, regions: Sequence[Interval]) -> list[tuple[Interval, ...]]:
    """Strips in groups, such that enough pass in each; beginning with the highest masses, where events are few."""
    groups: list[tuple[Interval, ...]] = []
    waiting: tuple[Interval, ...] = ()
    for interval in sorted(regions, key=lambda each: -each.low):
        waiting = (interval, *waiting)
        weights = trial.data.weights[_inside(waiting, trial.data.mass)]
        if efficiency * effective_sample_size(standardised(weights)) >= ENOUGH:
            groups.append(waiting)
            waiting = ()
    if waiting:
        last = groups.pop() if groups else ()
        groups.append((*waiting, *last))
    return groups[::-1]


def _in_group(efficiency: float, trial: Trial, group: Sequence[Interval], folds: int) -> _Counted:
    data, made = _inside(group, trial.data.mass), _inside(group, trial.reference.mass)
    reference = trial.reference[made]
    cut = make_cut(efficiency, reference, folds)
    weights = trial.data.weights[data]
    found = count(cut, trial.scores[data], weights, trial.fold[data], reference)
    # In effective events, like the p-values: the error of a shift knows nothing of the unit of the weights.
    observed, expected = found.observed / found.per_event, found.expected / found.per_event
    if not expected > 0:
        raise TooFewEventsError("No background is expected in the regions of the closure test. Loosen the cut.")
    passing = np.where(cut.passes(reference.scores, reference.fold), reference.weights, 0.0)
    passes = cut.passes(trial.scores[data], trial.fold[data])
    return _Counted(observed / expected - 1, expected, weights, passes, _shares(passing, trial, made))


def _shares(passing: FloatArray, trial: Trial, made: NDArray[np.bool_]) -> FloatArray:
    """Weights of what passes by origin, as shares of their sum; without origins every row is its own."""
    every = np.zeros(len(trial.reference))
    every[made] = passing / passing.sum()
    origin = trial.reference.origin
    return every if origin is None else np.bincount(origin, every).astype(np.float64)


def _in_common(trials: Sequence[_Counted]) -> float:
    """Σ w² f² / Σ w² f of the data: one, if always the same events pass."""
    squared, passes = np.square(standardised(trials[0].weights)), np.mean([each.passes for each in trials], axis=0)
    counted = float(squared @ passes)
    return float(squared @ np.square(passes)) / counted if counted else 1.0


def _of_reference(row: Sequence[_Counted]) -> FloatArray:
    """Covariance of the logarithms of the predictions of one trial, (R, R)."""
    shares = np.stack([each.copies for each in row])
    covariance: FloatArray = shares @ shares.T
    return covariance


def _inside(group: Sequence[Interval], mass: FloatArray) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.any([interval(mass) for interval in group], axis=0)
    return inside
