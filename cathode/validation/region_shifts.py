"""How far the prediction is off in validation regions, with the covariance of all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from analysis.errors import TooFewEventsError
from analysis.events import FloatArray
from analysis.weights import effective_sample_size, standardised
from cathode.cut_and_count import count, make_cut
from cathode.region import Interval
from cathode.result import RegionShift
from cathode.validation.trial import Trial

#: Background events that a group of regions has to expect above a cut, so that their number is about normal.
ENOUGH = 10.0


#: All regions and cuts of a search together are off by chance this often.
BY_CHANCE = 0.01

#: A difference that is significant and smaller than this is not held against the template.
TOLERANCE = 0.03


@dataclass(frozen=True, eq=False)
class RegionShifts:
    """Shifts of one cut in all regions, and their covariance (R, R).

    `influence` (R, events) is what every event does to every shift: an event of one region may pass there, and moved
    into another add to the prediction there. `alone` (R,) are variances that come from no event.
    """

    regions: tuple[RegionShift, ...]
    influence: sparse.csr_matrix
    alone: FloatArray

    @property
    def covariance(self) -> FloatArray:
        """Of all shifts, (R, R)."""
        return covariance_of([self])

    def by(self, classifiers: Literal["region", "window"]) -> RegionShifts:
        """The same with the name of the classifiers that were asked."""
        return dataclasses.replace(
            self, regions=tuple(dataclasses.replace(each, classifiers=classifiers) for each in self.regions)
        )


def covariance_of(found: Sequence[RegionShifts]) -> FloatArray:
    """Covariance of the shifts of several cuts, or of several classifiers, one after the other."""
    width = max(each.influence.shape[1] for each in found)
    influence = sparse.vstack([_widened(each.influence, width) for each in found])
    covariance: FloatArray = (influence @ influence.T).toarray() + np.diag(np.concatenate([e.alone for e in found]))
    return covariance


def region_shifts(
    efficiency: float, trials: Sequence[Trial], regions: Sequence[Interval], folds: int, *, together: bool = False
) -> RegionShifts:
    """Relative differences of counted and predicted events, means over trials with the same data.

    The cut of a region is the quantile of the reference in that region. Events that pass in a fraction f of the trials
    add f² to the variance of the mean count; references of the trials are independent, but copies of one event move
    together. Regions in which few are expected are counted together, from the outside, and all of them if `together`.

    Raises
    ------
    TooFewEventsError
        If all regions together are too few for the cut.
    """
    groups = [tuple(regions)] if together else _groups(efficiency, trials[0], regions)
    counted = [[_in_group(efficiency, trial, group, folds) for group in groups] for trial in trials]
    shifts = np.mean([[each.shift for each in row] for row in counted], axis=0)
    expected = np.mean([[each.expected for each in row] for row in counted], axis=0)
    influence, alone = _influence(trials, counted, expected)
    errors = np.sqrt(np.asarray(influence.multiply(influence).sum(axis=1)).ravel() + alone)
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
    return RegionShifts(found, influence, alone)


def _widened(matrix: sparse.csr_matrix, width: int) -> sparse.csr_matrix:
    """With columns of zeros for events that it does not know."""
    wider = matrix.copy()
    wider.resize((matrix.shape[0], width))
    return wider


def decide(one: RegionShift, common: float, tests: int) -> RegionShift:
    """Whether a region is off by more than the common shift, as one of so many tests (Šidák)."""
    away = one.shift - common
    alone = 2 * float(stats.norm.sf(abs(away) / one.error))
    # Nothing off at all is certain, of which there is no logarithm.
    p_value = 1.0 if alone >= 1 else -float(np.expm1(tests * np.log1p(-alone)))
    return dataclasses.replace(one, p_value=p_value, passed=p_value >= BY_CHANCE or abs(away) < TOLERANCE)


@dataclass(frozen=True, eq=False)
class _Counted:
    """One group of regions in one trial.

    `rows`, `weights` and `passes` are those of its data, `copies` the share of the prediction per reference event (T,).
    """

    shift: float
    expected: float
    rows: NDArray[np.int64]
    weights: FloatArray
    passes: NDArray[np.bool_]
    copies: FloatArray


def _influence(
    trials: Sequence[Trial], counted: Sequence[Sequence[_Counted]], expected: FloatArray
) -> tuple[sparse.csr_matrix, FloatArray]:
    """What every event does to the shift of every group, and variances beyond: (R, events), (R,)."""
    names = _names(trials)
    last = 1 + max(int(each.max(initial=0)) for pair in names for each in pair)
    lines, alone = [], np.zeros(len(expected))
    for index in range(len(expected)):
        mine = [row[index] for row in counted]
        share = standardised(mine[0].weights) * np.mean([each.passes for each in mine], axis=0)
        variance, squared = _in_common(mine) / expected[index], float(share @ share)
        columns, values = [names[0][0][mine[0].rows]], [share * np.sqrt(variance / squared) if squared else 0 * share]
        alone[index] = 0.0 if squared else variance
        for each, (_, origin) in zip(mine, names, strict=True):
            columns.append(origin)
            values.append(-each.copies / len(trials))
        at, value = np.concatenate(columns), np.concatenate(values)
        kept = value != 0
        lines.append(sparse.csr_matrix((value[kept], (np.zeros(kept.sum(), int), at[kept])), shape=(1, last)))
    return sparse.vstack(lines).tocsr(), alone


def _names(trials: Sequence[Trial]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """A number for every event of data and reference of every trial, equal where it is the same event."""
    data = np.arange(len(trials[0].data)) if trials[0].rows is None else trials[0].rows
    found = []
    # Without rows of the sideband nothing is known of an event that is both.
    beyond = 0 if trials[0].rows is not None else len(data)
    origins = [each.reference.origin for each in trials]
    draws = max([int(data.max(initial=0)), *(beyond + int(o.max(initial=0)) for o in origins if o is not None)]) + 1
    for each, origin in zip(trials, origins, strict=True):
        if origin is None:
            found.append((data, draws + np.arange(len(each.reference))))
            draws += len(each.reference)
        else:
            found.append((data, beyond + origin))
    return found


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
    copies = np.zeros(len(trial.reference))
    passing = np.where(cut.passes(reference.scores, reference.fold), reference.weights, 0.0)
    copies[made] = passing / passing.sum()
    passes = cut.passes(trial.scores[data], trial.fold[data])
    return _Counted(observed / expected - 1, expected, np.flatnonzero(data), weights, passes, copies)


def _in_common(trials: Sequence[_Counted]) -> float:
    """Σ w² f² / Σ w² f of the data: one, if always the same events pass."""
    squared, passes = np.square(standardised(trials[0].weights)), np.mean([each.passes for each in trials], axis=0)
    counted = float(squared @ passes)
    return float(squared @ np.square(passes)) / counted if counted else 1.0


def _inside(group: Sequence[Interval], mass: FloatArray) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.any([interval(mass) for interval in group], axis=0)
    return inside
