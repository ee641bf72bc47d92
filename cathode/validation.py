"""Does the template describe the background? Asked of data, in strips beside the signal region."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.events import Events, FloatArray
from analysis.folds import fold_of
from analysis.metrics.ranking import Measured, auc
from analysis.statistics.counting import BackgroundEstimate, closure_shift
from cathode.background import Count, count, make_cut
from cathode.classifiers import WeakClassifier
from cathode.crossfit import CrossFit, Sample, cross_fit
from cathode.region import Interval, Region
from cathode.result import Closure
from cathode.templates import Template, draw_at, template_folds

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator

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
    generator: ConditionalGenerator,
    classifier: WeakClassifier,
    events: Events,
    strips: Sequence[Interval],
    *,
    folds: int,
    oversampling: float,
    background_efficiencies: Sequence[float],
    limit: int,
    seeds: Sequence[int],
    folder: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> StripTest:
    """Search for nothing in the strips with a generator that has not seen them.

    The gap that `generator` interpolates is wider than the one of the search, so the test is harder than the search.
    At most `limit` events are used, the size of the signal region. The systematic of a cut is the relative difference
    of counted and predicted events (δ_sys of Hein et al., 2411.00085) or its statistical error, whichever is larger: no
    systematic is claimed smaller than what the strips can resolve.
    """
    data, template = draw_strips(generator, events, strips, oversampling=oversampling, limit=limit, seeds=seeds[:2])
    sample, generated = samples(data, template, folds, seed=seeds[2])
    fit = cross_fit(classifier, sample, generated, seeds=tuple(seeds[3:]), folder=folder, progress=progress)
    return StripTest(
        tuple(closure(strip, data, template, fit) for strip in strips),
        {efficiency: _systematic(efficiency, fit, sample, generated, folds) for efficiency in background_efficiencies},
    )


def draw_strips(
    generator: ConditionalGenerator,
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
    generated = Sample(template.x, np.ones(len(template)), template_folds(len(template), folds, seed=seed))
    return Sample(data.x, data.weights, fold_of(data.ids, folds)), generated


def with_members(classifier: WeakClassifier, members: int) -> WeakClassifier:
    """The classifier with at most so many members, if it is an ensemble: a test needs less than a search."""
    ensemble: Any = classifier
    if getattr(ensemble, "members", 0) > members:
        ensemble = dataclasses.replace(ensemble, members=members)
    return ensemble  # type: ignore[no-any-return]


def closure(strip: Interval, data: Events, template: Template, fit: CrossFit) -> Closure:
    """How well a classifier tells data from template in one strip."""
    real, generated = strip(data.mass), strip(template.mass)
    found = told_apart(fit.data[real], fit.template[generated], data.weights[real])
    passed = found.value - 2 * found.error < TOLERANCE
    return Closure(strip.low, strip.high, found.value, found.error, int(real.sum()), int(generated.sum()), passed)


def told_apart(data: FloatArray, template: FloatArray, weights: FloatArray) -> Measured:
    """AUC of held-out scores of data (N,) with weights (N,) against those of the template (T,); 0.5 is closure."""
    labels = np.arange(len(data) + len(template)) < len(data)
    w = np.concatenate([weights, np.ones(len(template))])
    return auc(np.concatenate([data, template]), labels, weights=None if np.ptp(w) == 0 else w)


def _systematic(efficiency: float, fit: CrossFit, data: Sample, template: Sample, folds: int) -> float:
    cut = make_cut(efficiency, fit.template, template.fold, folds)
    counts: Count = count(cut, fit.data, data.weights, data.fold, fit.template, template.fold)
    # In effective events, like the p-values: the statistical error of a shift knows nothing of the unit of the weights.
    observed, expected = counts.observed / counts.per_event, counts.expected / counts.per_event
    predicted = BackgroundEstimate(expected, expected * counts.template_passing**-0.5, 0.0)
    shift = closure_shift(observed, predicted)
    return max(abs(shift.shift), shift.error)
