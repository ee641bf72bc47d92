"""What a search trains and draws, stage by stage: each has its seeds, its place in the run folder and its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from analysis.events import Events
from cathode.classifiers import WeakClassifier
from cathode.classifiers.cross_fitting import CrossFit, Sample, cross_fit
from cathode.classifiers.protocol import Pretrainable
from cathode.region import Interval
from cathode.runtime.processes import beside, cores
from cathode.runtime.progress import Progress
from cathode.runtime.run_folder import CLASSIFIERS, PRETRAINING, REWEIGHTING, TEMPLATE, RunFolder, step
from cathode.runtime.seeds import Seeds
from cathode.template.drawing import Sampler, train_generator
from cathode.template.rejection import fit_reweighted
from cathode.validation.sideband_closure import StripTest, strip_test, with_members, without_strips

if TYPE_CHECKING:
    from cathode.search import Search
    from generators.protocols import ConditionalGenerator, Monitor


@dataclass(frozen=True, eq=False)
class Stages:
    """The stages of one search in one folder; whatever is there already is loaded and not made again."""

    search: Search
    folder: RunFolder
    say: Progress

    @cached_property
    def seeds(self) -> Seeds:
        """A seed for every purpose."""
        return Seeds(self.search.seed)

    @cached_property
    def strips(self) -> tuple[Interval, ...]:
        """Where the search is repeated without a signal."""
        return self.search.region.strips(fraction=self.search.strip_fraction)

    def generator(self, sideband: Events) -> ConditionalGenerator:
        """The generator of the template, trained on all of the sidebands."""
        seed, place = self.seeds("generator"), self.folder.at(TEMPLATE)
        return train_generator(self.search.generator, sideband, seed=seed, folder=place, monitor=self._epochs)

    def strip_generator(self, sideband: Events) -> ConditionalGenerator:
        """The generator of the strip test, which must not see the strips."""
        return train_generator(self.search.generator, **self._strip_training(sideband), monitor=self._epochs)

    def generators(self, sideband: Events) -> tuple[ConditionalGenerator, ConditionalGenerator | None]:
        """The generator of the template and, beside it in a second process, that of the strip test, if there is one."""
        if not self.search.closure:
            return self.generator(sideband), None
        # A generator of one's own stays in this process: another one may not be able to import it.
        shipped = type(self.search.generator).__module__.startswith("generators.")
        workers = (cores() if self.search.workers is None else self.search.workers) if shipped else 1
        with beside(workers, train_generator, self.search.generator, **self._strip_training(sideband)) as other:
            return self.generator(sideband), other.result()

    def reweighted(self, generator: Sampler, sideband: Events) -> Sampler:
        """The generator with weights from the sideband data that it was trained on, as the search wants them."""
        return self._reweighted(generator, sideband, REWEIGHTING, REWEIGHTING)

    def strip_sampler(self, generator: Sampler | None, sideband: Events) -> Sampler | None:
        """The generator that has not seen the strips, with weights that have not seen them either."""
        if generator is None:
            return None
        outside = without_strips(sideband, self.search.region, self.strips)
        return self._reweighted(generator, outside, "strip reweighting", f"validation/{REWEIGHTING}")

    def pretrained(self, seen: Events) -> WeakClassifier:
        """The classifier after what it can learn from sideband events that it is not asked about, here or in strips."""
        classifier = self.search.classifier
        if not isinstance(classifier, Pretrainable):
            return classifier
        return classifier.pretrained(
            without_strips(seen, self.search.region, self.strips).x,
            seed=self.seeds(PRETRAINING),
            folder=self.folder.at(PRETRAINING),
            monitor=lambda done, total: self.say(PRETRAINING, done, total),
        )

    def classified(self, classifier: WeakClassifier, data: Sample, template: Sample) -> CrossFit:
        """Data against template in the window, held out by fold."""
        return cross_fit(
            classifier,
            data,
            template,
            seeds=self.seeds.many("classifier", self.search.folds),
            folder=self.folder.at(CLASSIFIERS),
            progress=self._fraction("classifier"),
        )

    def strip_test(
        self, classifier: WeakClassifier, generator: Sampler | None, sideband: Events, limit: int
    ) -> StripTest:
        """The search in the strips, with no more events than the window has; empty without a generator."""
        search = self.search
        if generator is None:
            return StripTest((), {})
        return strip_test(
            generator,
            with_members(classifier, search.closure_members),
            sideband,
            self.strips,
            observables=search.observables,
            folds=search.folds,
            oversampling=search.oversampling,
            background_efficiencies=search.background_efficiencies,
            limit=limit,
            seeds=[
                self.seeds.many("strip test" if number == 0 else f"strip test, repetition {number}", 3 + search.folds)
                for number in range(search.closure_repeats)
            ],
            folder=self.folder.at("validation/classifiers"),
            progress=self._fraction("validation"),
        )

    def _strip_training(self, sideband: Events) -> dict[str, Any]:
        return {
            "sideband": without_strips(sideband, self.search.region, self.strips),
            "seed": self.seeds("strip generator"),
            "folder": self.folder.at("validation/generator"),
        }

    def _reweighted(self, generator: Sampler, sideband: Events, name: str, place: str) -> Sampler:
        sampler = generator
        for number, reweighting in enumerate(self.search.reweightings):
            drawing, fitting = self.seeds.many(step(name, number, " "), 2)
            sampler = fit_reweighted(
                reweighting,
                sampler,
                self.search.observables,
                sideband,
                seeds=(drawing, fitting),
                folder=self.folder.at(step(place, number)),
                progress=self._fraction(step(name, number, " ")),
            )
        return sampler

    @property
    def _epochs(self) -> Monitor:
        """Translate the progress of a training."""
        return lambda at: self.say("generator", at.epoch, at.epochs, f"loss {at.validation_loss:.4f}")

    def _fraction(self, stage: str) -> Callable[[float], None]:
        return lambda done: self.say(stage, done, 1.0)
