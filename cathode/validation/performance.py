"""How well the score of a search ranks: where truth is known, beside the idealised detector, and without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError
from analysis.events import BoolArray, Events, FloatArray
from analysis.folds import fold_of
from analysis.metrics.argos import argos
from analysis.metrics.sic_and_auc import SicCurve, auc, sic
from cathode.classifiers import WeakClassifier
from cathode.classifiers.cross_fitting import Sample, cross_fit
from cathode.cut_and_count import Cut
from cathode.diagnostics import RankingCurve
from cathode.methods.protocol import Reference
from cathode.result import TruthEvaluation
from cathode.runtime.store import Store

#: Points of a stored curve; more would be invisible in a figure.
_POINTS = 400


@dataclass(frozen=True, eq=False)
class Ranking:
    """Evaluation against the truth, and the curves behind it; all None where there is no truth."""

    summary: TruthEvaluation | None = None
    curve: RankingCurve | None = None
    idealised_curve: RankingCurve | None = None


def evaluate(
    signal: Events,
    scores: FloatArray,
    classifier: WeakClassifier | None,
    reference: Events | None,
    seeds: Sequence[int],
    cuts: Sequence[Cut],
    store: Store | None = None,
) -> Ranking:
    """Rank true signal against true background in the signal region by the held-out scores (N,).

    With a `reference`, independent true background of the signal region, the same classifier is trained on data against
    that: the idealised detector, which bounds what any template can give. There are as many folds as `seeds`; a
    `store` may have its classifiers from another run. A method without a classifier has no such bound.
    """
    truth = signal.truth
    if truth is None or not truth.any() or truth.all():
        return Ranking()
    efficiencies = [cut.background_efficiency for cut in cuts]
    curve = _sic(scores, truth, signal.weights)
    if curve is None:
        return Ranking()
    summary = _summary(scores, truth, signal.weights, curve, efficiencies, None)
    if reference is None or classifier is None:
        return Ranking(summary, _points(curve))
    data = Sample(signal.x, signal.weights, fold_of(signal.ids, len(seeds)))
    template = Sample(reference.x, reference.weights, fold_of(reference.ids, len(seeds)))
    ideal = cross_fit(classifier, data, template, seeds=tuple(seeds), store=store).data
    ideal_curve = _sic(ideal, truth, signal.weights)
    if ideal_curve is None:  # pragma: no cover - the same events passed the floor a moment ago
        return Ranking(summary, _points(curve))
    bound = _summary(ideal, truth, signal.weights, ideal_curve, efficiencies, None)
    return Ranking(
        _summary(scores, truth, signal.weights, curve, efficiencies, bound), _points(curve), _points(ideal_curve)
    )


def held_out_argos(
    scores: FloatArray, fold: NDArray[np.int64], weights: FloatArray, reference: Reference, folds: int
) -> float:
    """ARGOS of the scores of data (N,) against the reference, the mean over the folds: models choose by the largest.

    No labels are needed, and no event is scored by a model that saw it. Scores of different folds come from different
    models and have no common scale. A fold with no events of one kind counts 0.
    """
    found = []
    for index in range(folds):
        of_data, of_reference = fold == index, reference.fold == index
        some = of_data.any() and of_reference.any()
        parts = scores[of_data], reference.scores[of_reference], weights[of_data], reference.weights[of_reference]
        found.append(argos(*parts) if some and min(parts[2].sum(), parts[3].sum()) > 0 else 0.0)
    return float(np.mean(found))


def _sic(scores: FloatArray, truth: BoolArray, weights: FloatArray) -> SicCurve | None:
    try:
        return sic(scores, truth, weights)
    except AnalysisError:
        # Too little background for a single cut above the floor: nothing can be quoted.
        return None


def _summary(
    scores: FloatArray,
    truth: BoolArray,
    weights: FloatArray,
    curve: SicCurve,
    efficiencies: Sequence[float],
    idealised: TruthEvaluation | None,
) -> TruthEvaluation:
    area, best = auc(scores, truth, weights), curve.max_sic
    quoted = {e: curve.sic_at(e) for e in efficiencies}
    return TruthEvaluation(
        signal_events=int(truth.sum()),
        background_events=int((~truth).sum()),
        auc=area.value,
        auc_error=area.error,
        max_sic=best.value,
        max_sic_error=best.error,
        efficiency_at_max=best.background_efficiency,
        sic={e: (point.value, point.error) for e, point in quoted.items() if point.above_floor},
        idealised=idealised,
    )


def _points(curve: SicCurve) -> RankingCurve:
    """The curve, thinned evenly in the logarithm of the background efficiency."""
    wanted = np.geomspace(curve.background_efficiency[0], 1.0, _POINTS)
    at = np.unique(np.searchsorted(curve.background_efficiency, wanted).clip(max=len(curve.value) - 1))
    return RankingCurve(
        signal_efficiency=curve.signal_efficiency[at],
        background_efficiency=curve.background_efficiency[at],
        sic=curve.value[at],
        sic_error=curve.error[at],
    )
