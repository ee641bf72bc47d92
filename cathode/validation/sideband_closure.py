"""Does the template describe the background? Asked of data, in strips beside the signal region."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.events import Events
from analysis.folds import fold_of, random_folds
from analysis.statistics.counting import BackgroundEstimate, ClosureShift, closure_shift
from analysis.weights import standardised
from cathode.classifiers import WeakClassifier
from cathode.classifiers.closure import told_apart
from cathode.classifiers.cross_fitting import CrossFit, Sample, cross_fit
from cathode.cut_and_count import Count, count, make_cut
from cathode.observables import Observables
from cathode.region import Interval, Region
from cathode.result import Closure
from cathode.runtime.progress import part
from cathode.template.drawing import Sampler, Template, draw_at

#: A held-out classifier may tell template from data this well before the result carries a warning.
TOLERANCE = 0.51


@dataclass(frozen=True)
class StripTest:
    """The search repeated where there is no signal: in strips that the generator was not trained on.

    `closures` holds one classifier test per strip, `systematics` background efficiency -> relative error of the
    predicted background.
    """

    closures: tuple[Closure, ...]
    systematics: dict[float, float]


def without_strips(events: Events, region: Region, strips: Sequence[Interval]) -> Events:
    """The sideband events outside of the strips: what the generator of the strip test may learn from."""
    keep = region.sideband(events.mass)
    for strip in strips:
        keep &= ~strip(events.mass)
    return events[keep]


def strip_test(
    generator: Sampler,
    classifier: WeakClassifier,
    events: Events,
    strips: Sequence[Interval],
    *,
    observables: Observables,
    folds: int,
    oversampling: float,
    background_efficiencies: Sequence[float],
    limit: int,
    seeds: Sequence[Sequence[int]],
    folder: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> StripTest:
    """Search for nothing in the strips with a generator that has not seen them.

    The gap that `generator` interpolates is wider than the one of the search, so the test is harder than the search.
    At most `limit` events are used, the size of the signal region. The systematic of a cut is the relative difference
    of counted and predicted events (δ_sys of Hein et al., 2411.00085) or its statistical error, whichever is larger: no
    systematic is claimed smaller than what the strips can resolve.

    There are as many repetitions as entries of `seeds`, each with a template and classifiers of its own, and averages
    over them are returned.
    """
    trials = []
    for number, drawn in enumerate(seeds):
        # Every repetition tests the same data, those of the first seed.
        data, template = draw_strips(
            generator, events, strips, oversampling=oversampling, limit=limit, seeds=(seeds[0][0], drawn[1])
        )
        data, template = observables.of_events(data), observables.of_template(template)
        sample, generated = samples(data, template, folds, seed=drawn[2])
        place = folder if folder is None or number == 0 else folder.with_name(f"{folder.name}_{number}")
        told = part(progress, number / len(seeds), 1 / len(seeds))
        fit = cross_fit(classifier, sample, generated, seeds=tuple(drawn[3:]), folder=place, progress=told)
        trials.append(Trial(data, template, sample, generated, fit))
    return StripTest(
        tuple(_mean_closure([closure(strip, t.data, t.template, t.fit) for t in trials]) for strip in strips),
        {efficiency: _systematic(mean_shift(efficiency, trials, folds)) for efficiency in background_efficiencies},
    )


@dataclass(frozen=True, eq=False)
class Trial:
    """One repetition of the strip test: data and template, as they are told apart, and their held-out scores."""

    data: Events
    template: Template
    sample: Sample
    generated: Sample
    fit: CrossFit


def draw_strips(
    generator: Sampler,
    events: Events,
    strips: Sequence[Interval],
    *,
    oversampling: float,
    limit: int | None = None,
    seeds: Sequence[int],
) -> tuple[Events, Template]:
    """At most `limit` events of the strips, and what `generator` makes of their masses; a seed for each."""
    inside = np.flatnonzero(np.any([strip(events.mass) for strip in strips], axis=0))
    data = events[np.sort(np.random.default_rng(seeds[0]).permutation(inside)[:limit])]
    masses = np.resize(data.mass, round(oversampling * len(data)))
    return data, draw_at(generator, masses, seed=seeds[1])


def samples(data: Events, template: Template, folds: int, *, seed: int) -> tuple[Sample, Sample]:
    """What a classifier is to tell apart: data in the folds of their events, template in random ones."""
    generated = Sample(template.x, np.ones(len(template)), random_folds(len(template), folds, seed=seed))
    return Sample(data.x, data.weights, fold_of(data.ids, folds)), generated


def with_members(classifier: WeakClassifier, members: int) -> WeakClassifier:
    """The classifier with at most so many members, if it is an ensemble: a test needs less than a search."""
    ensemble: Any = classifier
    if getattr(ensemble, "members", 0) > members:
        # Not dataclasses.replace, which would forget what it has learned in the sidebands.
        ensemble = copy.copy(ensemble)
        object.__setattr__(ensemble, "members", members)
    return ensemble  # type: ignore[no-any-return]


def closure(strip: Interval, data: Events, template: Template, fit: CrossFit) -> Closure:
    """How well a classifier tells data from template in one strip."""
    real, generated = strip(data.mass), strip(template.mass)
    found = told_apart(fit.data[real], fit.template[generated], data.weights[real])
    passed = _passes(found.value, found.error)
    return Closure(strip.low, strip.high, found.value, found.error, int(real.sum()), int(generated.sum()), passed)


def mean_shift(efficiency: float, trials: Sequence[Trial], folds: int) -> ClosureShift:
    """Relative difference of counted and predicted events, mean over trials with the same data, and its error.

    Templates and classifiers of the trials are independent, but some events pass in several of them: an event that
    passes in a fraction f of the trials adds f² to the variance of the mean count.
    """
    shifts, passes, data_variance, template_variance = [], [], [], []
    for trial in trials:
        data, template = trial.sample, trial.generated
        cut = make_cut(efficiency, trial.fit.template, template.fold, folds)
        counts: Count = count(cut, trial.fit.data, data.weights, data.fold, trial.fit.template, template.fold)
        # In effective events, like the p-values: the error of a shift knows nothing of the unit of the weights.
        observed, expected = counts.observed / counts.per_event, counts.expected / counts.per_event
        shifts.append(closure_shift(observed, BackgroundEstimate(expected, 0.0, 0.0)).shift)
        passes.append(cut.passes(trial.fit.data, data.fold))
        data_variance.append(1 / expected)
        template_variance.append(1 / counts.template_passing)
    squared = np.square(standardised(trials[0].sample.weights))
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
