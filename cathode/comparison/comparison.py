"""Which generator describes the background best? Asked of sideband data alone, without labels."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.events import Events
from cathode.classifiers import WeakClassifier
from cathode.classifiers.boosted_trees import BoostedTrees
from cathode.comparison.candidate import (
    CandidateEvaluator,
    Evaluation,
    refuse_states_of_none,
    with_likelihood_differences,
)
from cathode.comparison.result import GeneratorComparison, ranked
from cathode.errors import TemplateError
from cathode.observables import AsRead, Observables
from cathode.region import Interval, Region
from cathode.result import RegionSummary
from cathode.runtime.progress import Progress, silent
from cathode.runtime.run_folder import RunFolder, versions
from cathode.runtime.seeds import Seeds
from cathode.runtime.specification import label, specification
from cathode.runtime.watching import watched
from cathode.validation.regions import LEAST, spread_regions
from cathode.validation.requirements import require_validation_regions
from generators.errors import DivergedError

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator

COMPARISON = "comparison.json"


@watched
def compare_generators(
    events: Events,
    region: Region,
    candidates: Sequence[ConditionalGenerator],
    *,
    validation_regions: Sequence[tuple[float, float]] | None = None,
    region_fraction: float = 0.5,
    region_events: int = LEAST,
    best_states: Sequence[int] = (),
    observables: Observables | None = None,
    classifier: WeakClassifier | None = None,
    folds: int = 5,
    oversampling: float = 4,
    seed: int = 1,
    output: Path | str | None = None,
    progress: Progress | None = None,
) -> GeneratorComparison:
    """Train candidates on the sidebands outside of validation regions, and compare their templates with the data there.

    Events of the signal region are dropped before anything is computed. `validation_regions` are ranges of
    sideband mass in GeV; without them those of `Search.validate`, of which the two that touch the window are
    `region_fraction` as wide as it and the others have `region_events`. All candidates get the same seeds, the same
    data and the same `classifier` (10 boosted-tree ensembles unless told otherwise), held out by `folds`. One that
    keeps several states is also evaluated with each smaller number of `best_states`, without another training.

    With `output`, models and result stay there, an interrupted comparison is continued by the same call, and one with
    other candidates uses what is there.

    Raises
    ------
    RegionError, EmptyRegionError, TooFewEventsError
        If the validation regions do not lie in the sidebands, or the events do not suffice; before anything is trained.
    RunFolderError
        If `output` belongs to something else.
    ConfigError
        If one of `best_states` is more than what any candidate keeps.
    """
    refuse_states_of_none(candidates, best_states)
    # From here on nothing knows of an event in the signal region.
    sideband = events[region.sideband(events.mass)].in_order()
    evaluator = CandidateEvaluator(
        sideband=sideband,
        region=region,
        regions=_regions(region, sideband, validation_regions, region_fraction, region_events),
        observables=AsRead() if observables is None else observables,
        classifier=BoostedTrees(members=10) if classifier is None else classifier,
        folds=folds,
        oversampling=oversampling,
        seeds=Seeds(seed),
        progress=progress or silent,
    )
    require_validation_regions(sideband, evaluator.regions, folds, lambda events: round(oversampling * events))
    inputs = [source.path for source in events.sources]
    settings = evaluator.settings()
    with RunFolder.claim(output, _fingerprint(sideband, settings), settings, inputs=inputs) as folder:
        evaluations, failures = _evaluated(evaluator, candidates, best_states, folder)
        comparison = _compared(events, evaluator, evaluations, failures, seed)
        if folder.path is not None:
            comparison.write(folder.path / COMPARISON)
    return comparison


def _regions(
    region: Region, sideband: Events, chosen: Sequence[tuple[float, float]] | None, fraction: float, least: int
) -> tuple[Interval, ...]:
    """The validation regions that were chosen, or those of a search with one generator for all of them."""
    if chosen is not None:
        return region.sideband_intervals(chosen)
    return spread_regions(region, sideband.mass, fraction=fraction, weights=sideband.weights, least=least)


def _evaluated(
    evaluator: CandidateEvaluator,
    candidates: Sequence[ConditionalGenerator],
    best_states: Sequence[int],
    folder: RunFolder,
) -> tuple[list[Evaluation], dict[str, str]]:
    """What was found of every candidate, and why others could not be evaluated."""
    evaluations: list[Evaluation] = []
    failures: dict[str, str] = {}
    for name, place, candidate in _named(candidates):
        try:
            evaluations += evaluator(name, candidate, best_states, folder.at(place))
        except (DivergedError, TemplateError) as error:
            # It says nothing about the others.
            failures[name] = str(error)
    return evaluations, failures


def _compared(
    events: Events, evaluator: CandidateEvaluator, evaluations: list[Evaluation], failures: dict[str, str], seed: int
) -> GeneratorComparison:
    """What was found, the best first."""
    sideband, regions = evaluator.sideband, evaluator.regions
    inside = np.any([interval(sideband.mass) for interval in regions], axis=0)
    return GeneratorComparison(
        region=RegionSummary(**asdict(evaluator.region)),
        validation_regions=tuple((interval.low, interval.high) for interval in regions),
        columns=events.columns,
        training_events=int((~inside).sum()),
        validation_events=int(inside.sum()),
        candidates=ranked(with_likelihood_differences(evaluations)),
        failures=failures,
        inputs=events.sources,
        versions=versions(),
        seed=seed,
    )


def _named(candidates: Sequence[ConditionalGenerator]) -> Iterator[tuple[str, str, ConditionalGenerator]]:
    """Every candidate with a name and the name of its folder, which is the same in another list."""
    counts: Counter[str] = Counter()
    for candidate in candidates:
        name, described = label(candidate), specification(candidate)
        counts[name] += 1
        number = counts[name]
        text = json.dumps([described, number], sort_keys=True, default=repr)
        place = f"{described['kind']}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        yield name if number == 1 else f"{name} #{number}", place, candidate


def _fingerprint(sideband: Events, settings: dict[str, Any]) -> str:
    from generators.artifact import fingerprint

    arrays = fingerprint(sideband.x, sideband.mass, sideband.weights, sideband.ids)
    # The word of before comparisons were called that; it decides whether a folder can be continued.
    text = json.dumps(["selection", settings, arrays, versions()["cathode-hep"]], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()
