"""Does the reference describe the background? Asked of data, in validation regions beside the signal region.

A validation region is one more task for the method of the search: the same question where no signal is expected.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analysis.events import BoolArray, Events, FloatArray
from analysis.folds import fold_of
from analysis.statistics.counting import BackgroundEstimate, ClosureShift, closure_shift
from analysis.weights import standardised
from cathode.classifiers.closure import two_sample_auc
from cathode.cut_and_count import Count, count, make_cut
from cathode.methods.protocol import Background, Learned, Method, Reference, Task
from cathode.observables import Observables, Observed
from cathode.region import Interval, Region
from cathode.result import Closure
from cathode.runtime.stages import Stages

#: A held-out classifier may tell template from data this well before the result carries a warning.
TOLERANCE = 0.51


@dataclass(frozen=True)
class ClosureTest:
    """The search repeated where there is no signal: in validation regions that the background was not learned from.

    `closures` holds one classifier test per region, `systematics` background efficiency -> relative error of the
    predicted background, for methods that predict it directly.
    """

    closures: tuple[Closure, ...] = ()
    systematics: dict[float, float] = field(default_factory=dict)


def outside(mass: FloatArray, region: Region, regions: Sequence[Interval]) -> BoolArray:
    """Which masses (N,) lie in a sideband and in no validation region."""
    keep: BoolArray = region.sideband(mass)
    for interval in regions:
        keep = keep & ~interval(mass)
    return keep


def without_validation_regions(events: Events, region: Region, regions: Sequence[Interval]) -> Events:
    """The sideband events outside of the validation regions: what the background of the test may be learned from."""
    return events[outside(events.mass, region, regions)]


def without_truth(observed: Observed) -> Observed:
    """The same events; what they truly are is nobody's business who searches in them."""
    return Observed(*(dataclasses.replace(e, truth=None) for e in (observed.events, observed.observables)))


def validation_task(
    sideband: Events,
    region: Region,
    regions: Sequence[Interval],
    *,
    observables: Observables,
    folds: int,
    auxiliary: Mapping[str, Events] | None = None,
    limit: int | None = None,
    members: int | None = None,
    seed: int,
) -> Task:
    """The question of the search, asked of at most `limit` events of the validation regions; `seed` draws these.

    The gap across which the background is interpolated is wider than that of the search, so the test is harder.
    """
    inside = np.flatnonzero(np.any([interval(sideband.mass) for interval in regions], axis=0))
    data = sideband[np.sort(np.random.default_rng(seed).permutation(inside)[:limit])]
    return Task(
        background=Background(without_validation_regions(sideband, region, regions), observables, auxiliary or {}),
        target=without_truth(observables.observed(data)),
        masses=lambda n, seed: np.resize(data.mass, n),
        folds=folds,
        members=members,
    )


def beside_window(stages: Stages, repetition: int = 0) -> Stages:
    """Seeds and places of the sideband closure test, so that it shares none with the window."""
    test = "strip test" if repetition == 0 else f"strip test, repetition {repetition}"
    # Names from before validation regions were tasks; they decide seeds, so they stay.
    numbers = {"events": "0", "template": "1", "folds": "2"}

    def purpose(name: str) -> str:
        fold = re.fullmatch(r"classifier/(\d+)", name)
        if fold is not None:
            return f"{test}/{3 + int(fold.group(1))}"
        if name == "classifier":
            return "validation"
        return f"{test}/{numbers[name]}" if name in numbers else f"strip {name}"

    def place(name: str) -> str:
        number = "" if repetition == 0 or name != "classifiers" else f"_{repetition}"
        return f"validation/{'generator' if name == 'template' else name}{number}"

    return dataclasses.replace(stages, purpose=purpose, place=place)


@dataclass(frozen=True, eq=False)
class Trial:
    """One repetition of the closure test: data with their held-out scores (N,), and the reference with its own."""

    data: Events
    scores: FloatArray
    fold: NDArray[np.int64]
    reference: Reference


def closure_test(
    method: Method,
    task: Task,
    learned: Learned,
    regions: Sequence[Interval],
    *,
    background_efficiencies: Sequence[float],
    stages: Sequence[Stages],
) -> ClosureTest:
    """Search for nothing in the validation regions, with a background that was learned without them.

    The systematic of a cut is the relative difference of counted and predicted events (δ_sys of Hein et al.,
    2411.00085) or its statistical error, whichever is larger: no systematic is claimed smaller than what these
    regions can resolve. There are as many repetitions as `stages`, each with a template and classifiers of its own on
    the same data, and averages over them are returned.
    """
    length = 1 / len(stages)
    trials = [
        trial(method, task, learned, dataclasses.replace(each, share=(number * length, length)))
        for number, each in enumerate(stages)
    ]
    closures = tuple(_mean_closure([closure(interval, t) for t in trials]) for interval in regions)
    if not all(t.reference.predicts for t in trials):
        return ClosureTest(closures)
    shifts = {efficiency: mean_shift(efficiency, trials, task.folds) for efficiency in background_efficiencies}
    return ClosureTest(closures, {efficiency: _systematic(shift) for efficiency, shift in shifts.items()})


def trial(method: Method, task: Task, learned: Learned, stages: Stages) -> Trial:
    """Fit a method to a validation task, and score the events of the task."""
    fitted = method.fit(task, learned, stages)
    events = task.target.observables
    return Trial(events, fitted.score(task.target), fold_of(events.ids, task.folds), fitted.reference)


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


def mean_shift(efficiency: float, trials: Sequence[Trial], folds: int) -> ClosureShift:
    """Relative difference of counted and predicted events, mean over trials with the same data, and its error.

    Templates and classifiers of the trials are independent, but some events pass in several of them: an event that
    passes in a fraction f of the trials adds f² to the variance of the mean count.
    """
    shifts, passes, data_variance, template_variance = [], [], [], []
    for each in trials:
        cut = make_cut(efficiency, each.reference, folds)
        counts: Count = count(cut, each.scores, each.data.weights, each.fold, each.reference)
        # In effective events, like the p-values: the error of a shift knows nothing of the unit of the weights.
        observed, expected = counts.observed / counts.per_event, counts.expected / counts.per_event
        shifts.append(closure_shift(observed, BackgroundEstimate(expected, 0.0, 0.0)).shift)
        passes.append(cut.passes(each.scores, each.fold))
        data_variance.append(1 / expected)
        template_variance.append(1 / counts.effective)
    squared = np.square(standardised(trials[0].data.weights))
    counted, in_common = squared @ np.mean(passes, axis=0), squared @ np.square(np.mean(passes, axis=0))
    share = in_common / counted if counted else 1.0
    variance = share * np.mean(data_variance) + np.mean(template_variance) / len(trials)
    return ClosureShift(float(np.mean(shifts)), float(np.sqrt(variance)))


def _systematic(shift: ClosureShift) -> float:
    return max(abs(shift.shift), shift.error)


def _mean_closure(closures: Sequence[Closure]) -> Closure:
    """AUC and its error, means over repetitions; the error is that of one, because the data are the same."""
    if len(closures) == 1:
        return closures[0]
    value, error = (float(np.mean([getattr(c, name) for c in closures])) for name in ("auc", "auc_error"))
    return dataclasses.replace(closures[0], auc=value, auc_error=error, passed=_passes(value, error))


def _passes(value: float, error: float) -> bool:
    return value - 2 * error < TOLERANCE
