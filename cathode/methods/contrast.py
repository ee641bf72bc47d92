"""Data against a reference, by classifiers that are held out by fold: what all classifier methods share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.events import FloatArray
from analysis.folds import fold_of
from cathode.classifiers import Pretrainable, WeakClassifier, load_classifier
from cathode.classifiers.cross_fitting import Sample, held_out_scores, pretrained, train_folds
from cathode.classifiers.ensembles import parts, with_members
from cathode.methods.protocol import Reference, Task
from cathode.observables import Observed
from cathode.runtime.run_folder import CLASSIFIERS, PRETRAINING
from cathode.runtime.stages import Stages
from cathode.template.drawing import Template

_M = TypeVar("_M")


@dataclass(frozen=True, eq=False)
class HeldOutClassifiers:
    """Classifier i was trained without fold i."""

    classifiers: tuple[WeakClassifier, ...]

    def score(self, events: Observed) -> FloatArray:
        """Score of every event (N,) by the classifier that was trained without its fold."""
        fold = fold_of(events.events.ids, len(self.classifiers))
        return held_out_scores(self.classifiers, events.observables.x, fold)


@dataclass(frozen=True, eq=False)
class Contrast(HeldOutClassifiers):
    """Held-out classifiers of data against a reference, and that reference with its scores."""

    reference: Reference

    def parts(self, count: int) -> tuple[Contrast, ...]:
        """The same by at most `count` parts of the classifier ensembles, each with the reference scored by it."""
        divided = [parts(each, count) for each in self.classifiers]
        found = []
        for classifiers in zip(*divided, strict=True):
            scores = held_out_scores(classifiers, self.reference.x, self.reference.fold)
            found.append(Contrast(classifiers, dataclasses.replace(self.reference, scores=scores)))
        return tuple(found)


def contrast(
    classifier: WeakClassifier,
    task: Task,
    stages: Stages,
    *,
    x: FloatArray,
    mass: FloatArray,
    fold: NDArray[np.int64],
    weights: FloatArray,
    predicts: bool = True,
    origin: NDArray[np.int64] | None = None,
    member: NDArray[np.int64] | None = None,
) -> Contrast:
    """Train one copy of `classifier` per fold: data of the target against a reference.

    The reference has observables x (T, *observables), masses (T,) in GeV, folds (T,) and weights (T,), and perhaps the
    `origin` (T,) of its copies and the `member` (T,) of an ensemble that made them.

    Raises
    ------
    TooFewEventsError
        If a training would have fewer than 50 events of a kind.
    """
    observables = task.target.observables
    classifiers = train_folds(
        classifier if task.members is None else with_members(classifier, task.members),
        Sample(observables.x, observables.weights, fold_of(observables.ids, task.folds)),
        Sample(x, weights, fold),
        seeds=stages.many("classifier", task.folds),
        folder=stages.at(CLASSIFIERS),
        store=stages.store,
        progress=stages.fraction("classifier"),
    )
    scores = held_out_scores(classifiers, x, fold)
    return Contrast(classifiers, Reference(x, mass, scores, fold, weights, predicts, origin, member))


def predicted_by(found: Contrast, template: Template, fold: NDArray[np.int64]) -> Contrast:
    """The same classifiers with other events in the place of the reference, observables and folds (T,)."""
    scores = held_out_scores(found.classifiers, template.x, fold)
    reference = Reference(template.x, template.mass, scores, fold, template.weights, origin=template.origin)
    return dataclasses.replace(found, reference=reference)


def with_pretraining(method: _M, unlabelled: Observed, stages: Stages) -> _M:
    """A method whose field `classifier` has learned from unlabelled events, if it is one that can."""
    classifier = method.classifier  # type: ignore[attr-defined]
    if not isinstance(classifier, Pretrainable):
        return method
    learned = pretrained(
        classifier,
        unlabelled.observables.x,
        seed=stages.seed(PRETRAINING),
        folder=stages.at(PRETRAINING),
        store=stages.store,
        monitor=stages.counted(PRETRAINING),
    )
    return dataclasses.replace(method, classifier=learned)  # type: ignore[type-var]


def load_contrast(folder: Path, folds: int) -> HeldOutClassifiers:
    """The classifiers of a finished search.

    Raises
    ------
    ClassifierFolderError
        If one is missing or was altered.
    """
    return HeldOutClassifiers(tuple(load_classifier(folder / CLASSIFIERS / f"fold_{fold}") for fold in range(folds)))
