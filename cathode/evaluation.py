"""What a fitted method says of the events: cuts, scores and counts, gathered as the result of a search."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from analysis.events import BoolArray, Events
from analysis.folds import fold_of
from cathode.cut_and_count import Cut, background_only, count, from_spectrum, make_cut
from cathode.errors import MassModelError
from cathode.methods.cathode import Cathode
from cathode.methods.contrast import Contrast
from cathode.methods.protocol import Finding, Fitted, Learned, Method, Reference, Scoring
from cathode.observables import Observed
from cathode.region import Region
from cathode.result import Counts, CutResult, RegionSummary, SearchResult
from cathode.runtime.run_folder import RunFolder, versions
from cathode.runtime.specification import specification
from cathode.runtime.stages import Stages
from cathode.runtime.timer import Timer
from cathode.scoring import Scorer, Scores
from cathode.search_settings import SearchSettings
from cathode.template.mass_models import MassModel
from cathode.validation.claims import concluded
from cathode.validation.ensemble_spread import ensemble_spread
from cathode.validation.mass_fit import mass_fit_tests
from cathode.validation.performance import Ranking, evaluate, held_out_argos
from cathode.validation.sculpting import Shape, sculpting
from cathode.validation.sideband_closure import ClosureTest
from cathode.validation.template_size import template_size
from cathode.validation.turn_on import turn_on, withheld
from cathode.validation.warnings import (
    summary_of_mass_model,
    summary_of_reweightings,
    summary_of_trainings,
    warnings_of,
    warnings_of_events,
    warnings_of_inputs,
)

#: Parts of a classifier ensemble that are asked alone, to see how far a significance depends on its members.
_PARTS = 5


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of all events, and the reference that the cuts were made from."""

    reference: Reference
    scorer: Scorer
    scores: Scores
    shape: Shape
    ranking: Ranking
    argos: float
    findings: Mapping[str, float]


def evaluated(
    settings: SearchSettings,
    columns: tuple[str, ...],
    observed: Observed,
    method: Method,
    fitted: Fitted,
    reference: Events | None,
    stages: Stages,
) -> Evaluation:
    """Cuts from the scores of the reference, and the scores of all events."""
    stages.progress("evaluation", 0, 1)
    inside = settings.region.signal(observed.events.mass)
    cuts = tuple(make_cut(e, fitted.reference, settings.folds) for e in settings.background_efficiencies)
    scorer = Scorer(settings.region, columns, settings.observables, fitted, settings.folds, cuts)
    scores = scorer.score_observed(observed)
    shape = sculpting(observed.events, scores, cuts, settings.region)
    seeds = stages.many("idealised", settings.folds)
    ranking = evaluate(
        observed[inside].observables, scores.score[inside], method.classifier, reference, seeds, cuts, stages.store
    )
    of_window = scores.score[inside], scores.fold[inside], observed.events.weights[inside]
    merit = held_out_argos(*of_window, fitted.reference, settings.folds)
    stages.progress("evaluation", 1, 1)
    findings = fitted.findings if isinstance(fitted, Finding) else {}
    return Evaluation(fitted.reference, scorer, scores, shape, ranking, merit, findings)


def result_of(
    settings: SearchSettings,
    events: Events,
    observed: Observed,
    mass_model: MassModel,
    learned: Mapping[str, Learned],
    closure: ClosureTest,
    evaluation: Evaluation,
    timer: Timer,
    folder: RunFolder,
) -> SearchResult:
    """All that was found, with what has to be said of it."""
    spreads = _spreads(settings, observed, evaluation.scorer.scoring, closure)
    counted = tuple(
        dataclasses.replace(
            _counted(settings, cut, passes, observed.events, evaluation.reference, evaluation.scores, closure),
            spread=spread,
        )
        for cut, passes, spread in zip(evaluation.scorer.cuts, evaluation.scores.passes, spreads, strict=True)
    )
    masses, weights = observed.events.mass, observed.events.weights
    result = SearchResult(
        region=RegionSummary(**asdict(settings.region)),
        columns=events.columns,
        method=specification(settings.method),
        observables=specification(settings.observables),
        counts=_counts(settings.region, events, len(evaluation.reference)),
        mass_model=summary_of_mass_model(mass_model, settings.region, events),
        cuts=counted,
        closures=closure.closures,
        sculpting=evaluation.shape.tests,
        region_shifts=closure.shifts,
        feature_tests=closure.features,
        template_size=template_size(closure.features),
        mass_fit_tests=mass_fit_tests(mass_model, settings.mass_model, masses, weights, closure.regions),
        cuts_agree=closure.cuts_agree,
        drawn=_why_drawn(settings.method, learned, evaluation.reference, events),
        systematics=closure.systematics,
        trainings=summary_of_trainings(learned, timer.seconds),
        reweightings=summary_of_reweightings(learned),
        argos=evaluation.argos,
        findings=dict(evaluation.findings),
        truth=evaluation.ranking.summary,
        inputs=events.sources,
        versions=versions(),
        seed=settings.seed,
        seconds=timer.seconds,
        fingerprint=folder.fingerprint,
        configured=folder.configured,
    )
    turning = turn_on(masses, settings.region, weights=weights)
    result = result if turning is None else withheld(result, str(turning))
    warnings = (*warnings_of_events(events), *warnings_of_inputs(events, result.method), *warnings_of(result))
    return concluded(dataclasses.replace(result, warnings=warnings))


def _spreads(settings: SearchSettings, observed: Observed, fitted: Scoring, closure: ClosureTest) -> list[float | None]:
    """Error of the mean significance over parts of the classifier ensembles, by cut; None where they have no parts."""
    unknown: list[float | None] = [None] * len(settings.background_efficiencies)
    if not isinstance(fitted, Contrast) or not fitted.reference.predicts:
        return unknown
    parts = fitted.parts(_PARTS)
    if len(parts) < 2:
        return unknown
    window = observed[settings.region.signal(observed.events.mass)]
    found = []
    for part in parts:
        cuts = [make_cut(e, part.reference, settings.folds) for e in settings.background_efficiencies]
        fold = fold_of(window.events.ids, settings.folds)
        score = part.score(window)
        passes = np.array([cut.passes(score, fold) for cut in cuts])
        counted = (
            _counted(settings, cut, kept, window.events, part.reference, Scores(score, fold, passes), closure)
            for cut, kept in zip(cuts, passes, strict=True)
        )
        found.append([each.significance for each in counted])
    return [float(spread) for spread in np.std(found, axis=0, ddof=1) / len(parts) ** 0.5]


def _counted(
    settings: SearchSettings,
    cut: Cut,
    passes: BoolArray,
    events: Events,
    reference: Reference,
    scores: Scores,
    closure: ClosureTest,
) -> CutResult:
    """What passes one cut in the window, and how unlikely that is without a signal."""
    inside = settings.region.signal(events.mass)
    efficiency = None
    if events.truth is not None and events.truth[inside].any():
        efficiency = float(passes[inside & events.truth].mean())
    counts = count(cut, scores.score[inside], events.weights[inside], scores.fold[inside], reference)
    if reference.predicts:
        found = closure.scatter.get(cut.background_efficiency)
        tested = {} if found is None else {"shift": found.shift, "resolution": found.resolution}
        systematic = 0.0 if found is None else found.systematic
        apart = ensemble_spread(cut, reference, events.weights[inside], scores.fold[inside])
        return background_only(
            counts, cut, systematic=systematic, ensemble_spread=apart, **tested, signal_efficiency=efficiency
        )
    beside = settings.region.sideband(events.mass) & passes
    try:
        after = copy.deepcopy(settings.mass_model).fit(
            events.mass[beside], settings.region, weights=events.weights[beside]
        )
        expected, reason = after.expected(), ""
    except MassModelError as error:
        expected, reason = None, str(error)
    return from_spectrum(counts, cut, expected, reason=reason, signal_efficiency=efficiency)


def _why_drawn(method: Method, learned: Mapping[str, Learned], reference: Reference, events: Events) -> str:
    """Why draws are counted where moved sideband events could have been; empty where that is not so."""
    if not isinstance(method, Cathode) or reference.origin is not None:
        return ""
    if method.reweightings:
        return "the template is reweighted"
    if method.reach is None:
        return "reach is null"
    if (events.weights < 0).any():
        return "there are events of negative weight"
    if learned["template"].predictor is None:
        kind = getattr(learned["template"].generator, "kind", type(learned["template"].generator).__name__)
        return f"the generator '{kind}' is no flow along which they could be moved"
    return "there are masses without a sideband on both sides within reach"


def _counts(region: Region, events: Events, template: int) -> Counts:
    return Counts(
        total=len(events),
        signal_region=int(region.signal(events.mass).sum()),
        sideband_below=int(region.lower(events.mass).sum()),
        sideband_above=int(region.upper(events.mass).sum()),
        template=template,
    )
