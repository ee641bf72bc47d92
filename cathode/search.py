"""`Search`: from selected events to a p-value, in one straight line."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from analysis.events import Events
from analysis.processes import cores
from cathode.evaluation import evaluated, result_of
from cathode.methods.protocol import Background, Learned, Method, Scoring, Task
from cathode.observables import Observed
from cathode.products import write_products
from cathode.region import Interval
from cathode.result import SearchResult
from cathode.runtime.heard import heard, in_words_of
from cathode.runtime.processes import all_in_parallel, helpers, installed
from cathode.runtime.progress import Progress, silent
from cathode.runtime.run_folder import RESULT, RunFolder
from cathode.runtime.seeds import Seeds
from cathode.runtime.specification import specification
from cathode.runtime.stages import Stages
from cathode.runtime.store import Store
from cathode.runtime.timer import Timer
from cathode.runtime.watching import watched
from cathode.scoring import score
from cathode.search_settings import SearchSettings
from cathode.template.mass_models import MassModel
from cathode.validation.held_out import HeldOut, beside_window, held_out, outside, without_truth
from cathode.validation.regions import dealt
from cathode.validation.requirements import require, require_samples, require_spread
from cathode.validation.sideband_closure import ClosureTest, closure_test
from cathode.validation.turn_on import turn_on
from cathode.validation.warnings import warnings_of_inputs

__all__ = ["Search", "score"]

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, eq=False)
class Search(SearchSettings):
    """A search for a resonance in one mass window, by any method, with the settings of `SearchSettings`.

    >>> from cathode.region import Region
    >>> Search.of("cwola", region=Region(3300, 3700), folds=3).method.kind
    'cwola'
    """

    @watched
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
        for words in warnings_of_inputs(events, specification(self.method)):
            logger.warning("%s", words)
        rise = turn_on(events.mass, self.region, weights=events.weights)
        if rise is not None:
            logger.warning("No significance will be quoted: %s.", rise)
        timer = Timer()
        with timer("observables"):
            observed = self._observed(events)
            ideal = None if reference is None else self._ideal(reference)
        with self.claimed(events, output, auxiliary=others, store=store) as folder:
            stages = Stages(Seeds(self.seed), folder, progress or silent)
            return self._run(events, observed, others, ideal, stages, timer)

    def _run(
        self,
        events: Events,
        observed: Observed,
        auxiliary: Mapping[str, Events],
        reference: Events | None,
        stages: Stages,
        timer: Timer,
    ) -> SearchResult:
        """As `run`, with the observables of all events, in a folder that is ours."""
        sideband = events[self.region.sideband(events.mass)]
        signal = observed[self.region.signal(observed.events.mass)]
        with timer("mass model"):
            mass_model = copy.deepcopy(self.mass_model).fit(sideband.mass, self.region, weights=sideband.weights)
        with timer("generator"), heard("generators") as said:
            method = self.method.prepared(self._unlabelled(observed), stages)
            window = self._window(signal, sideband, mass_model, auxiliary)
            beside = self._beside(sideband, auxiliary, stages) if self.closure else ()
            learned, *learned_beside = self._learned(method, window, beside, stages)
        with timer("classifier"):
            fitted = method.fit(window, learned, stages)
        with timer("validation"):
            closure = self._closed(method, beside, learned_beside, stages, fitted) if beside else ClosureTest()
        with timer("evaluation"):
            evaluation = evaluated(self, events.columns, observed, method, fitted, reference, stages)
        known = {"template": learned, **{_stage(index): each for index, each in enumerate(learned_beside)}}
        result = result_of(self, events, observed, mass_model, known, closure, evaluation, timer, stages.folder)
        told = in_words_of(events.columns, said, result.warnings)
        result = replace(result, warnings=(*result.warnings, *told))
        place = stages.folder.path
        if place is not None:
            write_products(
                place,
                observed.observables,
                evaluation.scores,
                evaluation.scorer,
                fitted.reference,
                mass_model,
                evaluation.shape,
                evaluation.ranking,
            )
            result.write(place / RESULT)
        return result

    @watched
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
        with self.claimed(events, output, auxiliary=others, store=store) as folder:
            stages = Stages(Seeds(self.seed), folder, progress or silent)
            beside = self._beside(sideband, others, stages)
            method = self.method.prepared(self._unlabelled(observed), stages)
            learned = _learned_from(
                method,
                [(each.task.background, beside_window(stages, generator=i)) for i, each in enumerate(beside)],
            )
            return self._closed(method, beside, learned, stages)

    def learn(
        self,
        events: Events,
        folder: RunFolder,
        *,
        auxiliary: Mapping[str, Events] | None = None,
        progress: Progress | None = None,
    ) -> Learned:
        """Learn the background of the window alone; `run` with the same folder takes it over."""
        events, others = events.in_order(), {name: each.in_order() for name, each in (auxiliary or {}).items()}
        require_samples(self.method, others)
        background = Background(
            events[self.region.sideband(events.mass)], self.observables, others, self.region.sideband
        )
        self.method.require(background)
        return self.method.learn(background, Stages(Seeds(self.seed), folder, progress or silent))

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
        events = observed.events
        return observed[outside(events.mass, self.region, self.validation_regions(events.mass, events.weights))]

    def _window(
        self, signal: Observed, sideband: Events, mass_model: MassModel, auxiliary: Mapping[str, Events]
    ) -> Task:
        return Task(
            background=Background(sideband, self.observables, auxiliary, self.region.sideband),
            target=without_truth(signal),
            masses=lambda n, seed: mass_model.sample(n, seed=seed),
            folds=self.folds,
            intervals=(Interval(self.region.low, self.region.high),),
        )

    def _beside(self, sideband: Events, auxiliary: Mapping[str, Events], stages: Stages) -> tuple[HeldOut, ...]:
        regions = self.validation_regions(sideband.mass, sideband.weights)
        return tuple(
            held_out(
                sideband,
                self.region,
                group,
                observables=self.observables,
                auxiliary=auxiliary,
                folds=self.folds,
                members=self.closure_members,
                seed=beside_window(stages, generator=index).seed("events"),
            )
            for index, group in enumerate(dealt(sideband.mass, regions, self.closure_generators))
        )

    def _learned(self, method: Method, window: Task, beside: Sequence[HeldOut], stages: Stages) -> list[Learned]:
        """The background of the window, then those of the validation regions, shared among as many processes."""
        places = [stages, *(beside_window(stages, generator=index) for index in range(len(beside)))]
        asked = list(zip([window.background, *(each.task.background for each in beside)], places, strict=True))
        workers = cores() if self.workers is None else self.workers
        # A part of one's own stays in this process: another one may not be able to import it.
        others = helpers(workers, len(asked)) if installed(method) else 0
        here, *elsewhere = _shared(asked, 1 + others)
        work = [
            partial(_learned_from, method, [(background, place.silenced()) for background, place in each])
            for each in elsewhere
        ]
        with all_in_parallel(workers, work) as answers:
            mine = _learned_from(method, here)
            return [*mine, *(learned for answer in answers for learned in answer.result())]

    def _closed(
        self,
        method: Method,
        beside: Sequence[HeldOut],
        learned: Sequence[Learned],
        stages: Stages,
        window: Scoring | None = None,
    ) -> ClosureTest:
        return closure_test(
            method,
            beside,
            learned,
            background_efficiencies=self.background_efficiencies,
            stages=[
                [beside_window(stages, repetition, index) for index in range(len(beside))]
                for repetition in range(self.closure_repeats)
            ],
            window=window,
            touching=self.region.validation_regions(fraction=self.region_fraction),
        )


def _shared(pieces: Sequence[_T], among: int) -> list[Sequence[_T]]:
    """Pieces in their order for so many processes, the first of which have one more if they do not come out even."""
    each, more = divmod(len(pieces), among)
    ends = [each * number + min(number, more) for number in range(among + 1)]
    return [pieces[first:last] for first, last in pairwise(ends)]


def _learned_from(method: Method, asked: Sequence[tuple[Background, Stages]]) -> list[Learned]:
    """What a method learns of several backgrounds, one after the other."""
    return [method.learn(background, place) for background, place in asked]


def _stage(generator: int) -> str:
    """What the training of a generator of the closure test is called."""
    return "validation" if generator == 0 else f"validation {generator + 1}"
