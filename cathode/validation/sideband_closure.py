"""Does the reference describe the background? Asked of data, in validation regions beside the signal region.

A validation region is one more task for the method of the search: the same question where no signal is expected.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from analysis.events import BoolArray, Events, FloatArray
from analysis.statistics.closure_scatter import ClosureScatter, closure_scatter
from cathode.classifiers.closure import two_sample_auc
from cathode.methods.protocol import Background, Learned, Method, Task
from cathode.observables import Observables, Observed
from cathode.region import Interval, Region
from cathode.result import TOLERANCE, Closure, RegionShift
from cathode.runtime.stages import Stages
from cathode.validation.region_shifts import region_shifts
from cathode.validation.trial import Trial, trial


@dataclass(frozen=True)
class ClosureTest:
    """The search repeated where there is no signal: in validation regions that the background was not learned from.

    `closures` holds one classifier test per region, `shifts` what was counted and predicted in every one, and
    `scatter` background efficiency -> what all of them say of the prediction, for methods that predict it directly.
    """

    closures: tuple[Closure, ...] = ()
    shifts: tuple[RegionShift, ...] = ()
    scatter: dict[float, ClosureScatter] = field(default_factory=dict)

    @property
    def systematics(self) -> dict[float, float]:
        """Background efficiency -> relative error of the predicted background."""
        return {efficiency: found.systematic for efficiency, found in self.scatter.items()}


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
        background=Background(
            without_validation_regions(sideband, region, regions),
            observables,
            auxiliary or {},
            partial(outside, region=region, regions=regions),
        ),
        target=without_truth(observables.observed(data)),
        masses=lambda n, seed: np.resize(data.mass, n),
        folds=folds,
        intervals=tuple(regions),
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

    Counted and predicted events of all regions together give the correction and the systematic of a cut, see
    `closure_scatter`. There are as many repetitions as `stages`, each with a template and classifiers of its own on the
    same data, and averages over them are returned.
    """
    length = 1 / len(stages)
    trials = [
        trial(method, task, learned, dataclasses.replace(each, share=(number * length, length)))
        for number, each in enumerate(stages)
    ]
    closures = tuple(_mean_closure([closure(interval, t) for t in trials]) for interval in regions)
    if not all(t.reference.predicts for t in trials):
        return ClosureTest(closures)
    shifts = {
        efficiency: region_shifts(efficiency, trials, regions, task.folds) for efficiency in background_efficiencies
    }
    return ClosureTest(
        closures,
        tuple(one for found in shifts.values() for one in found.regions),
        {
            efficiency: closure_scatter([one.shift for one in found.regions], found.covariance)
            for efficiency, found in shifts.items()
        },
    )


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
