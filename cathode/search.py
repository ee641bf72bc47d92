"""`Search`: from selected events to a p-value, in one straight line."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import InitVar, asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from analysis.events import BoolArray, Events, FloatArray
from analysis.processes import cores
from cathode.cut_and_count import Cut, background_only, count, from_spectrum, make_cut
from cathode.errors import ConfigError, MassModelError
from cathode.methods.protocol import Background, Learned, Method, Reference, Task
from cathode.observables import AsRead, Observables, Observed
from cathode.products import write_products
from cathode.region import Interval, Region
from cathode.registry import METHODS
from cathode.result import Counts, CutResult, RegionSummary, SearchResult
from cathode.runtime.processes import in_parallel, installed
from cathode.runtime.progress import Progress, silent
from cathode.runtime.run_folder import RESULT, RunFolder, versions
from cathode.runtime.seeds import Seeds
from cathode.runtime.specification import refuse_unknown, specification
from cathode.runtime.stages import Stages
from cathode.runtime.store import Store
from cathode.scoring import Scorer, Scores, score
from cathode.template.mass_models import DijetFitMass, MassModel
from cathode.validation.caveats import (
    summary_of_mass_model,
    summary_of_reweightings,
    summary_of_trainings,
    warnings_of,
    warnings_of_events,
)
from cathode.validation.performance import evaluate
from cathode.validation.regions import spread_regions
from cathode.validation.requirements import require, require_spread
from cathode.validation.sculpting import sculpting
from cathode.validation.sideband_closure import (
    ClosureTest,
    beside_window,
    closure_test,
    outside,
    validation_task,
    without_truth,
)

__all__ = ["Search", "score"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """A search for a resonance in one mass window, by any method.

    >>> Search.of("cwola", region=Region(3300, 3700), folds=3).method.kind
    'cwola'

    Attributes
    ----------
    region : the window and its sidebands.
    method : where the background comes from, and how data are told from it.
    mass_model : learns p(m) in the sidebands and draws the masses of the template.
    observables : what the classifier sees of an event, of data and template alike; by default what was read.
    folds : parts of the data; each is scored by models that were trained on the others.
    background_efficiencies : the cuts, chosen before looking.
    closure : repeat the search in validation regions of the sidebands, which the background is not learned from.
    region_fraction : width of a validation region over the width of the window.
    closure_members : members of the classifier ensemble in the sideband closure test.
    closure_repeats : templates, with classifiers of their own, over which that test is averaged.
    seed : of everything random.
    workers : processes and threads to use; None for all cores. The result does not depend on it.

    `generator`, `reweighting`, `classifier` and `oversampling` are arguments that replace those of the method.
    """

    region: Region
    method: Method = field(default_factory=lambda: METHODS.create({"kind": "cathode"}))
    mass_model: MassModel = field(default_factory=DijetFitMass)
    observables: Observables = field(default_factory=AsRead)
    folds: int = 5
    background_efficiencies: tuple[float, ...] = (1e-2, 1e-3)
    closure: bool = True
    region_fraction: float = 0.5
    closure_members: int = 10
    closure_repeats: int = 1
    seed: int = 1
    workers: int | None = None
    generator: InitVar[Any] = None
    reweighting: InitVar[Any] = None
    classifier: InitVar[Any] = None
    oversampling: InitVar[float | None] = None

    def __post_init__(self, generator: Any, reweighting: Any, classifier: Any, oversampling: float | None) -> None:
        of_method = {
            "generator": generator,
            "reweighting": reweighting,
            "classifier": classifier,
            "oversampling": oversampling,
        }
        given = {name: value for name, value in of_method.items() if value is not None}
        if given:
            refuse_unknown(type(self.method), given, f"method '{self.method.kind}'")
            object.__setattr__(self, "method", dataclasses.replace(cast(Any, self.method), **given))
        if self.folds < 2:
            raise ConfigError(f"folds = {self.folds}: at least 2 are needed to score events that were not trained on.")
        if not self.background_efficiencies or not all(0 < e < 1 for e in self.background_efficiencies):
            raise ConfigError(f"background_efficiencies = {self.background_efficiencies} must lie between 0 and 1.")
        if self.closure_repeats < 1:
            raise ConfigError(f"closure_repeats = {self.closure_repeats} must be at least 1.")

    @classmethod
    def of(cls, method: str = "cathode", /, **settings: Any) -> Self:
        """The search by a method of this kind; settings that are not the search's own are the method's."""
        mine = {f.name for f in dataclasses.fields(cls)} - {"method"}
        of_method = {name: value for name, value in settings.items() if name not in mine}
        return cls(
            method=METHODS.create({"kind": method, **of_method}),
            **{name: value for name, value in settings.items() if name in mine},
        )

    def run(
        self,
        events: Events,
        *,
        output: Path | str | None = None,
        reference: Events | None = None,
        auxiliary: Mapping[str, Events] | None = None,
        store: Store | Path | str | None = None,
        progress: Progress | None = None,
    ) -> SearchResult:
        """Search `events` and return what was found.

        With `output`, everything is written there and an interrupted search is continued by the same call. `reference`
        are independent true background events, for studies: the idealised detector is evaluated beside the search.
        `auxiliary` are samples that the method needs, by name. `store` is a folder of what other runs have trained:
        what is equal is taken from there, and what is new is put there.

        Raises
        ------
        EmptyRegionError, TooFewEventsError, ConstantFeatureError
            If the events do not allow the search; before anything is trained.
        RunFolderError
            If `output` belongs to another search, or another process writes there.
        OutputError, StoreError
            If `output` holds files that no search made, or one of those that were read, or `store` no products.
        """
        events, others = events.in_order(), {name: each.in_order() for name, each in (auxiliary or {}).items()}
        require(events, self, others)
        timer = _Timer()
        with timer("observables"):
            observed = self._observed(events)
            ideal = None if reference is None else self._ideal(reference)
        with self.claimed(events, output, store=store) as folder:
            stages = Stages(Seeds(self.seed), folder, progress or silent)
            return self._run(events, observed, others, ideal, stages, timer)

    def _run(
        self,
        events: Events,
        observed: Observed,
        auxiliary: Mapping[str, Events],
        reference: Events | None,
        stages: Stages,
        timer: _Timer,
    ) -> SearchResult:
        """As `run`, with the observables of all events, in a folder that is ours."""
        sideband = events[self.region.sideband(events.mass)]
        inside = self.region.signal(observed.events.mass)
        signal = observed[inside]
        with timer("mass model"):
            mass_model = copy.deepcopy(self.mass_model).fit(sideband.mass, self.region, weights=sideband.weights)
        with timer("generator"):
            method = self.method.prepared(self._unlabelled(observed), stages)
            window = self._window(signal, sideband, mass_model, auxiliary)
            beside = self._beside(sideband, auxiliary, stages) if self.closure else None
            learned, learned_beside = self._learned(method, window, beside, stages)
        with timer("classifier"):
            fitted = method.fit(window, learned, stages)
        with timer("validation"):
            closure = ClosureTest() if beside is None else self._closed(method, beside, learned_beside, stages)
        with timer("evaluation"):
            stages.progress("evaluation", 0, 1)
            cuts = tuple(make_cut(e, fitted.reference, self.folds) for e in self.background_efficiencies)
            scorer = Scorer(self.region, events.columns, self.observables, fitted, self.folds, cuts)
            scores = scorer.score_observed(observed)
            shape = sculpting(observed.events, scores, cuts, self.region)
            seeds = stages.many("idealised", self.folds)
            ranking = evaluate(
                signal.observables, scores.score[inside], method.classifier, reference, seeds, cuts, stages.store
            )
            stages.progress("evaluation", 1, 1)
        result = SearchResult(
            region=RegionSummary(**asdict(self.region)),
            columns=events.columns,
            method=specification(self.method),
            observables=specification(self.observables),
            counts=_counts(self.region, events, len(fitted.reference)),
            mass_model=summary_of_mass_model(mass_model, self.region, events),
            cuts=tuple(
                self._counted(cut, passes, observed.events, fitted.reference, scores, closure)
                for cut, passes in zip(cuts, scores.passes, strict=True)
            ),
            closures=closure.closures,
            sculpting=shape.tests,
            region_shifts=closure.shifts,
            systematics=closure.systematics,
            trainings=summary_of_trainings({"template": learned, "validation": learned_beside}, timer.seconds),
            reweightings=summary_of_reweightings({"template": learned, "validation": learned_beside}),
            truth=ranking.summary,
            inputs=events.sources,
            versions=versions(),
            seed=self.seed,
            seconds=timer.seconds,
            fingerprint=stages.folder.fingerprint,
        )
        result = dataclasses.replace(result, warnings=(*warnings_of_events(events), *warnings_of(result)))
        place = stages.folder.path
        if place is not None:
            write_products(place, observed.observables, scores, scorer, fitted.reference, mass_model, shape, ranking)
            result.write(place / RESULT)
        return result

    def validate(
        self,
        events: Events,
        *,
        output: Path | str | None = None,
        auxiliary: Mapping[str, Events] | None = None,
        store: Store | Path | str | None = None,
        progress: Progress | None = None,
    ) -> ClosureTest:
        """Test the background in the validation regions alone, without a look at the signal region.

        With `output` the models stay there, and `run` with the same folder takes them over.
        """
        events, others = events.in_order(), {name: each.in_order() for name, each in (auxiliary or {}).items()}
        require(events, self, others)
        observed = self._observed(events)
        sideband = events[self.region.sideband(events.mass)]
        with self.claimed(events, output, store=store) as folder:
            stages = Stages(Seeds(self.seed), folder, progress or silent)
            beside = self._beside(sideband, others, stages)
            method = self.method.prepared(self._unlabelled(observed), stages)
            learned = method.learn(beside.background, beside_window(stages))
            return self._closed(method, beside, learned, stages)

    def learn(self, events: Events, folder: RunFolder, *, progress: Progress | None = None) -> Learned:
        """Learn the background of the window alone; `run` with the same folder takes it over."""
        events = events.in_order()
        background = Background(events[self.region.sideband(events.mass)], self.observables)
        self.method.require(background)
        return self.method.learn(background, Stages(Seeds(self.seed), folder, progress or silent))

    def validation_regions(self, mass: FloatArray) -> tuple[Interval, ...]:
        """Where the search is repeated without a signal, for events of masses (N,)."""
        return spread_regions(self.region, mass, fraction=self.region_fraction)

    def settings(self) -> dict[str, Any]:
        """Everything that decides the result, in JSON types; not the number of workers."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "workers"}
        for name in ("method", "mass_model", "observables"):
            plain[name] = specification(plain[name])
        # Names of before; they decide whether a folder can be continued.
        plain["strip_fraction"] = plain.pop("region_fraction")
        plain["region"] = self.region.to_dict()
        plain["background_efficiencies"] = list(self.background_efficiencies)
        return plain

    def fingerprint(self, events: Events) -> str:
        """Hash of settings, files they name, events and package version: equal fingerprints give equal results."""
        from generators.artifact import fingerprint

        events = events.in_order()
        arrays = fingerprint(events.x, events.mass, events.weights, events.ids)
        text = json.dumps([self.settings(), arrays, versions()["cathode-hep"]], sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()

    def claimed(
        self,
        events: Events,
        output: Path | str | None,
        *,
        inputs: Iterable[str | os.PathLike[str]] = (),
        store: Store | Path | str | None = None,
    ) -> RunFolder:
        """Take a folder for this search of these events, or continue in it; a context that holds its lock.

        Raises
        ------
        RunFolderError, OutputError
            As `RunFolder.claim`.
        """
        read = [*inputs, *(source.path for source in events.sources)]
        shared = store if store is None or isinstance(store, Store) else Store.at(store)
        return RunFolder.claim(output, self.fingerprint(events), self.settings(), inputs=read, store=shared)

    def _observed(self, events: Events) -> Observed:
        """The events of window and sidebands, with what the classifier sees of them."""
        chosen = events[self.region.signal(events.mass) | self.region.sideband(events.mass)]
        observed = self.observables.observed(chosen)
        require_spread(observed.observables, self.region)
        return observed

    def _ideal(self, reference: Events) -> Events:
        """Observables of true background in the window."""
        return self.observables.of_events(reference[self.region.signal(reference.mass)].in_order())

    def _unlabelled(self, observed: Observed) -> Observed:
        """Sideband events that no task asks about."""
        return observed[outside(observed.events.mass, self.region, self.validation_regions(observed.events.mass))]

    def _window(
        self, signal: Observed, sideband: Events, mass_model: MassModel, auxiliary: Mapping[str, Events]
    ) -> Task:
        return Task(
            background=Background(sideband, self.observables, auxiliary),
            target=without_truth(signal),
            masses=lambda n, seed: mass_model.sample(n, seed=seed),
            folds=self.folds,
        )

    def _beside(self, sideband: Events, auxiliary: Mapping[str, Events], stages: Stages) -> Task:
        return validation_task(
            sideband,
            self.region,
            self.validation_regions(sideband.mass),
            observables=self.observables,
            auxiliary=auxiliary,
            folds=self.folds,
            members=self.closure_members,
            seed=beside_window(stages).seed("events"),
        )

    def _learned(self, method: Method, window: Task, beside: Task | None, stages: Stages) -> tuple[Learned, Learned]:
        """The background of the window and, in a second process, that of the validation regions, if they are tested."""
        if beside is None:
            return method.learn(window.background, stages), Learned()
        workers = cores() if self.workers is None else self.workers
        # A part of one's own stays in this process: another one may not be able to import it.
        if workers < 2 or not installed(method):
            return method.learn(window.background, stages), method.learn(beside.background, beside_window(stages))
        with in_parallel(workers, method.learn, beside.background, beside_window(stages).silenced()) as answer:
            return method.learn(window.background, stages), answer.result()

    def _closed(self, method: Method, beside: Task, learned: Learned, stages: Stages) -> ClosureTest:
        masses = np.concatenate([beside.background.events.mass, beside.target.events.mass])
        return closure_test(
            method,
            beside,
            learned,
            self.validation_regions(masses),
            background_efficiencies=self.background_efficiencies,
            stages=[beside_window(stages, repetition) for repetition in range(self.closure_repeats)],
        )

    def _counted(
        self,
        cut: Cut,
        passes: BoolArray,
        events: Events,
        reference: Reference,
        scores: Scores,
        closure: ClosureTest,
    ) -> CutResult:
        """What passes one cut in the window, and how unlikely that is without a signal."""
        inside = self.region.signal(events.mass)
        efficiency = None
        if events.truth is not None and events.truth[inside].any():
            efficiency = float(passes[inside & events.truth].mean())
        counts = count(cut, scores.score[inside], events.weights[inside], scores.fold[inside], reference)
        if reference.predicts:
            found = closure.scatter.get(cut.background_efficiency)
            tested = {} if found is None else {"shift": found.shift, "resolution": found.resolution}
            systematic = 0.0 if found is None else found.systematic
            return background_only(counts, cut, systematic=systematic, **tested, signal_efficiency=efficiency)
        beside = self.region.sideband(events.mass) & passes
        try:
            after = copy.deepcopy(self.mass_model).fit(events.mass[beside], self.region, weights=events.weights[beside])
            expected, reason = after.expected(), ""
        except MassModelError as error:
            expected, reason = None, str(error)
        return from_spectrum(counts, cut, expected, reason=reason, signal_efficiency=efficiency)


def _counts(region: Region, events: Events, template: int) -> Counts:
    return Counts(
        total=len(events),
        signal_region=int(region.signal(events.mass).sum()),
        sideband_below=int(region.lower(events.mass).sum()),
        sideband_above=int(region.upper(events.mass).sum()),
        template=template,
    )


class _Timer:
    """Wall time per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
