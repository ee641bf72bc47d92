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
from cathode.comparison.candidate import Judge, Verdict, compared
from cathode.comparison.result import Selection, ranked
from cathode.errors import TemplateError
from cathode.observables import AsRead, Observables
from cathode.region import Region
from cathode.result import RegionSummary
from cathode.runtime.progress import Progress
from cathode.runtime.run_folder import RunFolder, versions
from cathode.runtime.seeds import Seeds
from cathode.runtime.specification import label, specification
from cathode.validation.requirements import require_strips
from generators.errors import DivergedError

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator

SELECTION = "selection.json"


def select_generator(
    events: Events,
    region: Region,
    candidates: Sequence[ConditionalGenerator],
    *,
    strips: Sequence[tuple[float, float]] | None = None,
    strip_fraction: float = 0.5,
    best_states: Sequence[int] = (),
    observables: Observables | None = None,
    classifier: WeakClassifier | None = None,
    folds: int = 5,
    oversampling: float = 4,
    seed: int = 1,
    output: Path | str | None = None,
    progress: Progress | None = None,
) -> Selection:
    """Train every candidate on the sidebands without the strips, and compare its template with the data in the strips.

    Events of the signal region are dropped before anything is computed. `strips` are ranges of sideband mass in GeV;
    without them the two that touch the window, each `strip_fraction` as wide as it, which are those of
    `Search.validate`. All candidates get the same seeds, the same data and the same `classifier` (10 boosted-tree
    ensembles unless told otherwise), held out by `folds`. One that keeps several states is also judged with each
    smaller number of `best_states`, without another training.

    With `output`, models and result stay there, an interrupted selection is continued by the same call, and one with
    other candidates uses what is there.

    Raises
    ------
    RegionError, EmptyRegionError, TooFewEventsError
        If the strips do not lie in the sidebands, or the events do not suffice; before anything is trained.
    RunFolderError
        If `output` belongs to something else.
    """
    # From here on nothing knows of an event in the signal region.
    sideband = events[region.sideband(events.mass)].in_order()
    judge = Judge(
        sideband=sideband,
        region=region,
        strips=region.strips(fraction=strip_fraction) if strips is None else region.sideband_strips(strips),
        observables=AsRead() if observables is None else observables,
        classifier=BoostedTrees(members=10) if classifier is None else classifier,
        folds=folds,
        oversampling=oversampling,
        seeds=Seeds(seed),
        say=progress or _silent,
    )
    require_strips(sideband, judge.strips, folds, lambda events: round(oversampling * events))
    verdicts: list[Verdict] = []
    failures: dict[str, str] = {}
    inputs = [source.path for source in events.sources]
    settings = judge.settings()
    with RunFolder.claim(output, _fingerprint(sideband, settings), settings, inputs=inputs) as folder:
        for name, place, candidate in _named(candidates):
            try:
                verdicts += judge(name, candidate, best_states, folder.at(place))
            except (DivergedError, TemplateError) as error:
                # It says nothing about the others.
                failures[name] = str(error)
        selection = _selection(events, judge, verdicts, failures, seed)
        if folder.path is not None:
            selection.write(folder.path / SELECTION)
    return selection


def _selection(events: Events, judge: Judge, verdicts: list[Verdict], failures: dict[str, str], seed: int) -> Selection:
    """What was found, the best first."""
    sideband, strips = judge.sideband, judge.strips
    inside = np.any([strip(sideband.mass) for strip in strips], axis=0)
    return Selection(
        region=RegionSummary(**asdict(judge.region)),
        strips=tuple((strip.low, strip.high) for strip in strips),
        columns=events.columns,
        training_events=int((~inside).sum()),
        strip_events=int(inside.sum()),
        judgements=ranked(compared(verdicts)),
        failures=failures,
        inputs=events.sources,
        versions=versions(),
        seed=seed,
    )


def _named(candidates: Sequence[ConditionalGenerator]) -> Iterator[tuple[str, str, ConditionalGenerator]]:
    """Every candidate with a name and the name of its folder, which is the same in another list."""
    seen: Counter[str] = Counter()
    for candidate in candidates:
        name, described = label(candidate), specification(candidate)
        seen[name] += 1
        number = seen[name]
        text = json.dumps([described, number], sort_keys=True, default=repr)
        place = f"{described['kind']}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        yield name if number == 1 else f"{name} #{number}", place, candidate


def _fingerprint(sideband: Events, settings: dict[str, Any]) -> str:
    from generators.artifact import fingerprint

    arrays = fingerprint(sideband.x, sideband.mass, sideband.weights, sideband.ids)
    text = json.dumps(["selection", settings, arrays, versions()["cathode-hep"]], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _silent(stage: str, done: float, total: float, note: str = "") -> None:
    """Say nothing."""
