"""Does the reference describe the background? Asked of data, in validation regions beside the signal region.

A validation region is one more task for the method of the search: the same question where no signal is expected.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.statistics.closure_scatter import ClosureScatter, pooled_closure_scatter
from cathode.classifiers.closure import two_sample_auc
from cathode.methods.contrast import HeldOutClassifiers
from cathode.methods.protocol import Learned, Method, Scoring
from cathode.region import Interval
from cathode.result import TOLERANCE, Closure, FeatureTest, RegionShift
from cathode.runtime.stages import Stages
from cathode.validation.features import feature_tests
from cathode.validation.held_out import HeldOut
from cathode.validation.region_shifts import RegionShifts, covariance_of, decide, region_shifts
from cathode.validation.trial import Trial, joined, rescored, trial


@dataclass(frozen=True)
class ClosureTest:
    """The search repeated where there is no signal: in validation regions that the background was not learned from.

    `closures` holds one classifier test per region, `shifts` what was counted and predicted in every one, and
    `scatter` background efficiency -> what all of them say of the prediction, for methods that predict it directly,
    the same for all where they agree, with the chance `cuts_agree`. `features` are tests of every feature.
    """

    closures: tuple[Closure, ...] = ()
    shifts: tuple[RegionShift, ...] = ()
    scatter: dict[float, ClosureScatter] = field(default_factory=dict)
    features: tuple[FeatureTest, ...] = ()
    cuts_agree: float = 1.0

    @property
    def regions(self) -> tuple[Interval, ...]:
        """Where it was tested."""
        return tuple(Interval(each.low, each.high) for each in self.closures)

    @property
    def passed(self) -> bool:
        """Whether every region passed every test."""
        groups = ([t.passed for t in self.closures], [t.passed for t in self.shifts], [t.passed for t in self.features])
        return all(all(group) for group in groups)

    @property
    def systematics(self) -> dict[float, float]:
        """Background efficiency -> relative error of the predicted background."""
        return {efficiency: found.systematic for efficiency, found in self.scatter.items()}


def closure_test(
    method: Method,
    asked: Sequence[HeldOut],
    learned: Sequence[Learned],
    *,
    background_efficiencies: Sequence[float],
    stages: Sequence[Sequence[Stages]],
    window: Scoring | None = None,
    touching: Sequence[Interval] = (),
) -> ClosureTest:
    """Search for nothing in the validation regions, with backgrounds that were learned without them.

    Counted and predicted events of all regions together give the correction and the systematic of a cut, see
    `pooled_closure_scatter`. There are as many repetitions as `stages`, which has one for each generator, all with
    templates and classifiers of their own on the same data, and averages over them are returned. The classifiers of the
    `window` are asked too, about all regions that are not `touching` it.
    """
    repetitions = [
        [
            trial(method, each.task, known, dataclasses.replace(own, share=_share(number, index, stages)))
            for index, (each, known, own) in enumerate(zip(asked, learned, row, strict=True))
        ]
        for number, row in enumerate(stages)
    ]
    # What moves sideband events says which; other copies are copies of something else.
    of_sideband = all(known.predictor is not None for known in learned)
    trials = [joined(row, asked, of_sideband=of_sideband) for row in repetitions]
    regions = sorted((interval for each in asked for interval in each.regions), key=lambda interval: interval.low)
    closures = tuple(_mean_closure([closure(interval, t) for t in trials]) for interval in regions)
    # Where the reference predicts nothing, its features may follow the mass.
    if not all(t.reference.predicts for t in trials):
        return ClosureTest(closures)
    features = feature_tests(trials[0], regions)
    folds = asked[0].task.folds
    found = [[region_shifts(efficiency, trials, regions, folds)] for efficiency in background_efficiencies]
    far = [interval for interval in regions if interval not in touching]
    if window is not None and far and isinstance(window, HeldOutClassifiers):
        by_window = [rescored(t, each, window) for t, each in zip(repetitions[0], asked, strict=True)]
        others = [joined(by_window, asked, of_sideband=of_sideband)]
        for efficiency, own in zip(background_efficiencies, found, strict=True):
            own.append(region_shifts(efficiency, others, far, folds, together=True).by("window"))
    return _concluded(closures, features, dict(zip(background_efficiencies, found, strict=True)))


def _share(number: int, index: int, stages: Sequence[Sequence[Stages]]) -> tuple[float, float]:
    length = 1 / (len(stages) * len(stages[0]))
    return (number * len(stages[0]) + index) * length, length


def _concluded(
    closures: tuple[Closure, ...], features: tuple[FeatureTest, ...], found: dict[float, list[RegionShifts]]
) -> ClosureTest:
    """Correction and systematic of every cut, and which regions are off."""
    rows = [each for parts in found.values() for each in parts]
    shifts = [[one.shift for part in parts for one in part.regions] for parts in found.values()]
    scatter, agree = pooled_closure_scatter(shifts, covariance_of(rows))
    number = sum(len(one) for one in shifts)
    decided = tuple(
        decide(one, known.shift, number)
        for known, parts in zip(scatter, found.values(), strict=True)
        for part in parts
        for one in part.regions
    )
    return ClosureTest(closures, decided, dict(zip(found, scatter, strict=True)), features, agree)


def closure(interval: Interval, trial: Trial) -> Closure:
    """How well data are told from the reference in one validation region.

    A reference that lies outside of these regions, as that of CWoLa, is compared as a whole.
    """
    real, made = interval(trial.data.mass), interval(trial.reference.mass)
    if not made.any():
        made = np.ones(len(made), dtype=bool)
    of_reference = trial.reference.weights[made]
    found = two_sample_auc(trial.scores[real], trial.reference.scores[made], trial.data.weights[real], of_reference)
    passed = _passes(found.value, found.error)
    return Closure(interval.low, interval.high, found.value, found.error, int(real.sum()), int(made.sum()), passed)


def _mean_closure(closures: Sequence[Closure]) -> Closure:
    """AUC and its error, means over repetitions; the error is that of one, because the data are the same."""
    if len(closures) == 1:
        return closures[0]
    value, error = (float(np.mean([getattr(c, name) for c in closures])) for name in ("auc", "auc_error"))
    return dataclasses.replace(closures[0], auc=value, auc_error=error, passed=_passes(value, error))


def _passes(value: float, error: float) -> bool:
    return value - 2 * error < TOLERANCE
