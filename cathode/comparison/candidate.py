"""One generator, evaluated in validation regions of the sideband that it was not trained on."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.atomic import write_text
from analysis.events import Events, FloatArray
from analysis.metrics.distances import distance_floor, sliced_distances
from analysis.metrics.sic_and_auc import Measured
from analysis.weights import standardised
from cathode.classifiers import WeakClassifier
from cathode.classifiers.closure import two_sample_auc
from cathode.comparison.result import Candidate, Distance
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.cathode import Cathode
from cathode.methods.protocol import Learned, Reference
from cathode.observables import Observables
from cathode.region import Interval, Region
from cathode.runtime.processes import one_thread
from cathode.runtime.progress import Progress
from cathode.runtime.run_folder import RunFolder, read_json
from cathode.runtime.seeds import Seeds
from cathode.runtime.specification import specification
from cathode.runtime.stages import Stages
from cathode.template.drawing import train_generator
from cathode.validation.held_out import beside_window, held_out, without_validation_regions
from cathode.validation.sideband_closure import closure
from cathode.validation.trial import trial

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator

#: Events whose likelihood is computed at most: continuous flows need milliseconds for each.
_LIKELIHOOD = 10_000


def refuse_states_of_none(candidates: Sequence[ConditionalGenerator], best_states: Sequence[int]) -> None:
    """Check that at least one candidate keeps each number of best states.

    Raises
    ------
    ConfigError
        Naming the number, and how many states are kept.
    """
    kept = [int(getattr(getattr(each, "training", None), "best_states", 1)) for each in candidates]
    for count in best_states:
        if kept and count > max(kept):
            raise ConfigError(
                f"best_states: {count}: no candidate keeps more than {max(kept)}, so nothing would be tried. Lower it, "
                "or raise training.best_states of a generator."
            )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A candidate, and log p(x | m) and weight of some validation events, the same for all candidates, (N,)."""

    candidate: Candidate
    log_prob: FloatArray | None
    weights: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class CandidateEvaluator:
    """What all candidates have in common: sideband events, validation regions, classifier and seeds."""

    sideband: Events
    region: Region
    regions: tuple[Interval, ...]
    observables: Observables
    classifier: WeakClassifier
    folds: int
    oversampling: float
    seeds: Seeds
    progress: Progress

    def settings(self) -> dict[str, Any]:
        """All that decides an evaluation, besides events and candidate, in JSON types."""
        return {
            "strips": [[interval.low, interval.high] for interval in self.regions],
            "region": self.region.to_dict(),
            "observables": specification(self.observables),
            "classifier": specification(self.classifier),
            "folds": self.folds,
            "oversampling": self.oversampling,
            "seed": self.seeds.root,
        }

    def __call__(
        self, name: str, candidate: ConditionalGenerator, best_states: Sequence[int], folder: Path | None
    ) -> Iterator[Evaluation]:
        """Train a candidate once; evaluate it with all its states, and with each number of `best_states` below that."""
        generator, seconds = self._train(name, candidate, folder)
        yield self._evaluate(name, generator, seconds, folder, "classifiers")
        for count in best_states:
            if count < len(getattr(generator, "states_", ())):
                restricted = _restricted(generator, count)
                yield self._evaluate(f"{name}, best {count}", restricted, seconds, folder, f"classifiers_{count}")

    def _train(
        self, name: str, candidate: ConditionalGenerator, folder: Path | None
    ) -> tuple[ConditionalGenerator, float | None]:
        """The trained candidate, and how long that took if it is known."""
        place = None if folder is None else folder / "generator"
        timing = None if folder is None else folder / "seconds.json"
        begun = place is not None and (place.exists() or place.with_suffix(".checkpoint").exists())
        start = time.perf_counter()
        generator = train_generator(
            candidate,
            without_validation_regions(self.sideband, self.region, self.regions),
            seed=self.seeds("strip generator"),
            folder=place,
            monitor=lambda at: self.progress(f"train {name}", at.epoch, at.epochs, f"loss {at.validation_loss:.4f}"),
        )
        seconds = None if begun else time.perf_counter() - start
        if timing is not None and seconds is not None:
            write_text(timing, json.dumps(seconds))
        elif timing is not None and timing.exists():
            seconds = _seconds(timing)
        return generator, seconds

    def _evaluate(
        self,
        name: str,
        generator: ConditionalGenerator,
        training_seconds: float | None,
        folder: Path | None,
        classifiers: str,
    ) -> Evaluation:
        stages = Stages(self.seeds, RunFolder(folder), self.progress)
        usual = beside_window(stages)
        beside = replace(
            usual,
            place=lambda product: classifiers,
            purpose=lambda purpose: f"evaluate {name}" if purpose == "classifier" else usual.purpose(purpose),
            label=lambda stage: f"evaluate {name}" if stage == "classifier" else usual.label(stage),
        )
        task = held_out(
            self.sideband,
            self.region,
            self.regions,
            observables=self.observables,
            folds=self.folds,
            seed=beside.seed("events"),
        ).task
        method = Cathode(generator=generator, classifier=self.classifier, oversampling=self.oversampling)
        timed = TimedSampler(generator)
        found = trial(method, task, Learned(generator, timed), beside)
        events, data, reference = task.target.events, found.data, found.reference
        wasserstein, energy = self._distances(data, reference)
        order = np.random.default_rng(self.seeds("likelihood")).permutation(len(data))
        some = events[np.sort(order[:_LIKELIHOOD])]
        share = standardised(some.weights)
        log_prob = _log_prob(generator, some)
        result = Candidate(
            name=name,
            generator=specification(generator),
            auc=two_sample_auc(found.scores, reference.scores, data.weights),
            closures=tuple(closure(interval, found) for interval in self.regions),
            wasserstein=wasserstein,
            energy=energy,
            log_likelihood=None if log_prob is None else _mean(log_prob, share),
            impossible=0.0 if log_prob is None else float(share @ np.isinf(log_prob) / share.sum()),
            training_seconds=training_seconds,
            sampling_seconds=timed.seconds * 1e6 / len(reference),
        )
        return Evaluation(result, log_prob, share)

    def _distances(self, data: Events, template: Reference) -> tuple[Distance, Distance]:
        """Sliced Wasserstein and energy distance, means over regions; features in units of their width."""
        x, y = data.x.reshape(len(data), -1), template.x.reshape(len(template), -1)
        width, seed = _width(x, data.weights), self.seeds("directions")
        values, floors, spreads = [], [], []
        for interval in self.regions:
            real, drawn = interval(data.mass), interval(template.mass)
            rows, w = x[real] / width, data.weights[real]
            found = sliced_distances(rows, y[drawn] / width, x_weights=w, seed=seed)
            floor = distance_floor(rows, weights=w, against=float(drawn.sum()), seed=seed)
            values.append((found.wasserstein, found.energy))
            floors.append((floor.wasserstein.value, floor.energy.value))
            spreads.append((floor.wasserstein.error, floor.energy.error))
        value, floor_value = np.mean(values, axis=0), np.mean(floors, axis=0)
        spread = np.sqrt(np.square(spreads).sum(axis=0)) / len(spreads)
        one, other = (
            Distance(float(v), Measured(float(f), float(s))) for v, f, s in zip(value, floor_value, spread, strict=True)
        )
        return one, other


@dataclass(eq=False)
class TimedSampler:
    """A generator, and the seconds that its draws took."""

    generator: ConditionalGenerator
    seconds: float = 0.0

    def sample(self, context: FloatArray, *, seed: int) -> FloatArray:
        """One event per mass: (T, 1) GeV -> (T, *event)."""
        start = time.perf_counter()
        x = self.generator.sample(context, seed=seed)
        self.seconds += time.perf_counter() - start
        return x


def with_likelihood_differences(evaluations: Sequence[Evaluation]) -> list[Candidate]:
    """Candidates with the likelihood difference to the best, event by event: most of their scatter is in common.

    Events that one of them takes for impossible are left out in all.
    """
    densities = np.array([e.log_prob for e in evaluations if e.log_prob is not None])
    if not len(densities):
        return [e.candidate for e in evaluations]
    weights = evaluations[0].weights * np.isfinite(densities).all(axis=0)
    best = max(densities, key=lambda log_prob: _mean(log_prob, weights).value)
    with np.errstate(invalid="ignore"):
        return [
            e.candidate if e.log_prob is None else replace(e.candidate, behind=_mean(best - e.log_prob, weights))
            for e in evaluations
        ]


def _log_prob(generator: ConditionalGenerator, data: Events) -> FloatArray | None:
    from generators.protocols import DensityGenerator

    if not isinstance(generator, DensityGenerator):
        return None
    with one_thread():
        return np.asarray(generator.log_prob(data.x, data.context))


def _mean(values: FloatArray, weights: FloatArray) -> Measured:
    """Weighted mean of the finite ones of (N,), and its standard error; NaN without any."""
    finite = np.isfinite(values) & (weights != 0)
    values, weights = values[finite], weights[finite]
    with np.errstate(invalid="ignore"):
        mean = values @ weights / weights.sum()
        error = np.sqrt(np.square(weights * (values - mean)).sum()) / weights.sum()
    return Measured(float(mean), float(error))


def _width(x: FloatArray, weights: FloatArray) -> FloatArray:
    """Standard deviation of every feature of x (N, D) with weights (N,), (D,)."""
    share = standardised(weights)
    share /= share.sum()
    width: FloatArray = np.sqrt(share @ np.square(x - share @ x))
    return width


def _restricted(generator: Any, count: int) -> Any:
    from generators.tabular.states import with_best

    return with_best(generator, count)


def _seconds(timing: Path) -> float:
    seconds = read_json(timing)
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise RunFolderError(f"{timing}: {str(seconds)[:40]} is no time. Delete the file.")
    return float(seconds)
