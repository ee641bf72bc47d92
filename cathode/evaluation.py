"""Studies of a finished search: does the cut sculpt the mass, and how well does the score rank where truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.errors import AnalysisError
from analysis.events import BoolArray, Events, FloatArray
from analysis.folds import fold_of
from analysis.metrics.ranking import SicCurve, auc, sic
from analysis.statistics.sculpting import sculpting_test
from cathode.background import Cut
from cathode.classifiers import WeakClassifier
from cathode.crossfit import Sample, cross_fit
from cathode.region import Region
from cathode.report.diagnostics import RankingCurve, SculptingCurve
from cathode.result import Sculpting, TruthEvaluation
from cathode.scoring import Scores

#: A background-only search fails the sculpting test this often by chance.
_SCULPTED = 0.01

#: Points of a stored curve; more would be invisible in a figure.
_POINTS = 400


@dataclass(frozen=True, eq=False)
class Shape:
    """Sculpting tests of all cuts that could be tested, and the ratios behind them."""

    tests: tuple[Sculpting, ...]
    curves: tuple[SculptingCurve, ...]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Evaluation against the truth, and the curves behind it; all None where there is no truth."""

    summary: TruthEvaluation | None = None
    curve: RankingCurve | None = None
    idealised_curve: RankingCurve | None = None


def sculpting(events: Events, scores: Scores, cuts: Sequence[Cut], region: Region, *, bins: int = 30) -> Shape:
    """Compare the sideband mass spectrum after every cut with the one before it.

    The window itself is left out: a signal there is what the cut is for. A cut that too few sideband events pass is
    not tested.
    """
    side = region.sideband(events.mass)
    tests: list[Sculpting] = []
    curves: list[SculptingCurve] = []
    for cut, passes in zip(cuts, scores.passes, strict=True):
        try:
            test = sculpting_test(events.mass[side], passes[side], weights=events.weights[side], bins=bins)
        except AnalysisError:
            continue
        passed = test.p_value > _SCULPTED
        tests.append(Sculpting(cut.background_efficiency, test.chi2, test.ndof, test.p_value, passed))
        curves.append(
            SculptingCurve(
                background_efficiency=cut.background_efficiency, edges=test.edges, ratio=test.ratio, error=test.error
            )
        )
    return Shape(tuple(tests), tuple(curves))


def evaluate(
    signal: Events,
    scores: FloatArray,
    classifier: WeakClassifier,
    data: Sample,
    reference: Events | None,
    seeds: Sequence[int],
    cuts: Sequence[Cut],
) -> Ranking:
    """Rank true signal against true background in the signal region by the held-out scores (N,).

    With `reference`, independent true background of the signal region, the same classifier is trained on data against
    that: the idealised detector, which bounds what any template can give. There are as many folds as `seeds`.
    """
    truth = signal.truth
    if truth is None or not truth.any() or truth.all():
        return Ranking()
    efficiencies = [cut.background_efficiency for cut in cuts]
    curve = _sic(scores, truth, data.weights)
    if curve is None:
        return Ranking()
    summary = _summary(scores, truth, data.weights, curve, efficiencies, None)
    if reference is None:
        return Ranking(summary, _points(curve))
    template = Sample(reference.x, reference.weights, fold_of(reference.ids, len(seeds)))
    ideal = cross_fit(classifier, data, template, seeds=tuple(seeds)).data
    ideal_curve = _sic(ideal, truth, data.weights)
    if ideal_curve is None:  # pragma: no cover - the same events passed the floor a moment ago
        return Ranking(summary, _points(curve))
    bound = _summary(ideal, truth, data.weights, ideal_curve, efficiencies, None)
    return Ranking(
        _summary(scores, truth, data.weights, curve, efficiencies, bound), _points(curve), _points(ideal_curve)
    )


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
