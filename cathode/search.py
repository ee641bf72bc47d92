"""`Search`: from selected events to a p-value, in one straight line."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.events import Events
from analysis.folds import fold_of, random_folds
from cathode.classifiers import WeakClassifier
from cathode.classifiers.boosted_trees import BoostedTrees
from cathode.classifiers.cross_fitting import CrossFit, Sample
from cathode.cut_and_count import Cut, background_only, count, make_cut
from cathode.errors import ConfigError
from cathode.observables import AsRead, Observables
from cathode.products import write_products
from cathode.region import Region
from cathode.result import Counts, CutResult, RegionSummary, SearchResult
from cathode.runtime.progress import Progress, silent
from cathode.runtime.run_folder import RESULT, RunFolder, versions
from cathode.runtime.specification import specification
from cathode.scoring import Scorer, score
from cathode.stages import Stages
from cathode.template.drawing import draw_template
from cathode.template.mass_models import DijetFitMass, MassModel
from cathode.template.reweighting import Reweighting
from cathode.validation.caveats import (
    summary_of_mass_model,
    summary_of_reweightings,
    summary_of_trainings,
    warnings_of,
    warnings_of_events,
)
from cathode.validation.performance import evaluate
from cathode.validation.requirements import require, require_spread
from cathode.validation.sculpting import sculpting
from cathode.validation.sideband_closure import StripTest

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator

__all__ = ["Search", "score"]


def _default_generator() -> Any:
    from generators.registry import create

    return create({"kind": "autoregressive_spline"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """A CATHODE search (Hallin et al., 2109.00546) in one mass window.

    Attributes
    ----------
    region : the window and its sidebands.
    generator : learns p(x | m) in the sidebands and draws the template in the window.
    mass_model : learns p(m) in the sidebands and draws the masses of the template.
    reweighting : corrects the template by what a classifier still finds in the sidebands; None does without. Of
        several, each corrects what those before it left.
    observables : what the classifier sees of an event, of data and template alike; by default what was read.
    classifier : tells data from template; one copy per fold.
    folds : parts of the data; each is scored by a classifier that was trained on the others.
    oversampling : template events per data event of the signal region.
    background_efficiencies : the cuts, chosen before looking.
    closure : repeat the search in strips beside the window that a second generator has not seen.
    strip_fraction : width of a strip over the width of the window.
    closure_members : members of the classifier ensemble in the strip test.
    closure_repeats : templates, with classifiers of their own, over which the strip test is averaged.
    seed : of everything random.
    workers : processes and threads to use; None for all cores. The result does not depend on it.
    """

    region: Region
    generator: ConditionalGenerator = field(default_factory=_default_generator)
    mass_model: MassModel = field(default_factory=DijetFitMass)
    reweighting: Reweighting | Sequence[Reweighting] | None = None
    observables: Observables = field(default_factory=AsRead)
    classifier: WeakClassifier = field(default_factory=BoostedTrees)
    folds: int = 5
    oversampling: float = 4
    background_efficiencies: tuple[float, ...] = (1e-2, 1e-3)
    closure: bool = True
    strip_fraction: float = 0.5
    closure_members: int = 10
    closure_repeats: int = 1
    seed: int = 1
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ConfigError(f"folds = {self.folds}: at least 2 are needed to score events that were not trained on.")
        if not self.background_efficiencies or not all(0 < e < 1 for e in self.background_efficiencies):
            raise ConfigError(f"background_efficiencies = {self.background_efficiencies} must lie between 0 and 1.")
        if self.closure_repeats < 1:
            raise ConfigError(f"closure_repeats = {self.closure_repeats} must be at least 1.")
        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")

    @property
    def reweightings(self) -> tuple[Reweighting, ...]:
        """All of `reweighting`, in the order in which they correct the template."""
        one = self.reweighting
        return () if one is None else (one,) if isinstance(one, Reweighting) else tuple(one)

    def run(
        self,
        events: Events,
        *,
        output: Path | str | None = None,
        reference: Events | None = None,
        progress: Progress | None = None,
    ) -> SearchResult:
        """Search `events` and return what was found.

        With `output`, everything is written there and an interrupted search is continued by the same call. `reference`
        are independent true background events, for studies: the idealised detector is evaluated beside the search.

        Raises
        ------
        EmptyRegionError, TooFewEventsError, ConstantFeatureError
            If the events do not allow the search; before anything is trained.
        RunFolderError
            If `output` belongs to another search, or another process writes there.
        OutputError
            If `output` holds files that no search made, or one of those that were read.
        """
        require(events, self)
        clock = _Clock()
        with clock("observables"):
            seen = self._seen(events)
        with self._claimed(output, events) as folder:
            return self._run(events, seen, folder, reference, clock, progress or silent)

    def _run(
        self, events: Events, seen: Events, folder: RunFolder, reference: Events | None, clock: _Clock, say: Progress
    ) -> SearchResult:
        """As `run`, with the events of window and sidebands as the classifier sees them, in a folder that is ours."""
        sideband = events[self.region.sideband(events.mass)]
        signal = seen[self.region.signal(seen.mass)]
        stages = Stages(self, folder, say)
        seeds = stages.seeds

        with clock("mass model"):
            mass_model = copy.deepcopy(self.mass_model).fit(sideband.mass, self.region, weights=sideband.weights)
        with clock("generator"):
            generator, strip_generator = stages.generators(sideband)
        with clock("template"):
            size = round(self.oversampling * len(signal))
            sampler = stages.reweighted(generator, sideband)
            drawn = draw_template(sampler, mass_model, events=size, seeds=(seeds("mass"), seeds("template")))
            template = self.observables.of_template(drawn)
            fold = random_folds(len(template), self.folds, seed=seeds("folds"))
        with clock("classifier"):
            data = Sample(signal.x, signal.weights, fold_of(signal.ids, self.folds))
            generated = Sample(template.x, np.ones(len(template)), fold)
            classifier = stages.pretrained(seen)
            fit = stages.classified(classifier, data, generated)
        with clock("validation"):
            strip_sampler = stages.strip_sampler(strip_generator, sideband)
            strips = stages.strip_test(classifier, strip_sampler, sideband, len(signal))
        with clock("evaluation"):
            say("evaluation", 0, 1)
            cuts = tuple(make_cut(e, fit.template, fold, self.folds) for e in self.background_efficiencies)
            scorer = Scorer(self.region, events.columns, self.observables, fit.classifiers, cuts)
            scores = scorer.of_seen(seen)
            shape = sculpting(seen, scores, cuts, self.region)
            if reference is not None:
                reference = self.observables.of_events(reference[self.region.signal(reference.mass)])
            idealised = seeds.many("idealised", self.folds)
            ranking = evaluate(signal, fit.data, classifier, data, reference, idealised, cuts)
            say("evaluation", 1, 1)
        result = SearchResult(
            region=RegionSummary(**asdict(self.region)),
            columns=events.columns,
            observables=specification(self.observables),
            counts=_counts(self.region, events, len(template)),
            mass_model=summary_of_mass_model(mass_model, self.region, events),
            cuts=tuple(_test(cut, signal, data, generated, fit, strips) for cut in cuts),
            closures=strips.closures,
            sculpting=shape.tests,
            systematics=strips.systematics,
            trainings=summary_of_trainings({"template": generator, "validation": strip_generator}, clock.seconds),
            reweightings=summary_of_reweightings({"template": sampler, "validation": strip_sampler}),
            truth=ranking.summary,
            inputs=events.sources,
            versions=versions(),
            seed=self.seed,
            seconds=clock.seconds,
            fingerprint=folder.fingerprint,
        )
        result = dataclasses.replace(result, warnings=(*warnings_of_events(events), *warnings_of(result)))
        if folder.path is not None:
            write_products(folder.path, seen, scores, scorer, template, fold, fit, mass_model, shape, ranking)
            result.write(folder.path / RESULT)
        return result

    def validate(
        self, events: Events, *, output: Path | str | None = None, progress: Progress | None = None
    ) -> StripTest:
        """Test the template in the strips alone, without a look at the signal region.

        With `output` the models stay there, and `run` with the same folder takes them over.
        """
        require(events, self)
        seen = self._seen(events)
        sideband = events[self.region.sideband(events.mass)]
        limit = int(self.region.signal(events.mass).sum())
        with self._claimed(output, events) as folder:
            stages = Stages(self, folder, progress or silent)
            sampler = stages.strip_sampler(stages.strip_generator(sideband), sideband)
            return stages.strip_test(stages.pretrained(seen), sampler, sideband, limit)

    def settings(self) -> dict[str, Any]:
        """Everything that decides the result, in JSON types; not the number of workers."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "workers"}
        for name in ("generator", "mass_model", "observables", "classifier"):
            plain[name] = specification(plain[name])
        # One alone and a list of one are the same search, as are an empty list and none.
        plain["reweighting"] = [specification(each) for each in self.reweightings]
        plain["region"] = self.region.to_dict()
        plain["background_efficiencies"] = list(self.background_efficiencies)
        return plain

    def fingerprint(self, events: Events) -> str:
        """Hash of settings, files they name, events and package version: equal fingerprints give equal results."""
        from generators.artifact import fingerprint

        arrays = fingerprint(events.x, events.mass, events.weights, events.ids)
        text = json.dumps([self.settings(), arrays, versions()["cathode-hep"]], sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()

    def _claimed(self, output: Path | str | None, events: Events) -> RunFolder:
        inputs = [source.path for source in events.sources]
        return RunFolder.claim(output, self.fingerprint(events), self.settings(), inputs=inputs)

    def _seen(self, events: Events) -> Events:
        """The events of window and sidebands as the classifier sees them."""
        selected = events[self.region.signal(events.mass) | self.region.sideband(events.mass)]
        seen = self.observables.of_events(selected)
        require_spread(seen, self.region)
        return seen


def _test(cut: Cut, signal: Events, data: Sample, template: Sample, fit: CrossFit, strips: StripTest) -> CutResult:
    """What passes one cut, and how unlikely that is without a signal."""
    counts = count(cut, fit.data, data.weights, data.fold, fit.template, template.fold)
    efficiency = None
    if signal.truth is not None and signal.truth.any():
        efficiency = float(cut.passes(fit.data, data.fold)[signal.truth].mean())
    systematic = strips.systematics.get(cut.background_efficiency, 0.0)
    return background_only(counts, cut, systematic=systematic, signal_efficiency=efficiency)


def _counts(region: Region, events: Events, template: int) -> Counts:
    return Counts(
        total=len(events),
        signal_region=int(region.signal(events.mass).sum()),
        sideband_below=int(region.lower(events.mass).sum()),
        sideband_above=int(region.upper(events.mass).sum()),
        template=template,
    )


class _Clock:
    """Wall time per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
