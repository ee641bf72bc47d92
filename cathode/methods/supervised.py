"""A classifier that is told what the signal is: the bound of any search for that signal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from analysis.events import BoolArray, Events
from analysis.folds import fold_of
from cathode.classifiers import BoostedTrees, WeakClassifier
from cathode.classifiers.cross_fitting import Sample, held_out_scores, train_folds
from cathode.classifiers.ensembles import with_members
from cathode.errors import ConfigError
from cathode.methods.contrast import Contrast, load_contrast, with_pretraining
from cathode.methods.idealised import sample_inside
from cathode.methods.protocol import Background, Learned, Reference, Scoring, Task
from cathode.observables import Observed
from cathode.registry import METHODS
from cathode.runtime.run_folder import CLASSIFIERS
from cathode.runtime.stages import Stages


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Supervised:
    """Labelled signal against labelled background, the sample "labelled" (as in Hallin et al., 2109.00546).

    Its background in the target is the reference, so the share of it that passes is that of the data only as far as
    this background is that of the data. All of its signal is used, wherever in mass it lies. Data of the window are
    never learned from.
    """

    kind: ClassVar[str] = "supervised"
    needs: ClassVar[frozenset[str]] = frozenset({"labelled"})

    classifier: WeakClassifier = field(default_factory=BoostedTrees)

    def prepared(self, unlabelled: Observed, stages: Stages) -> Self:
        """The same, with a classifier that has learned from unlabelled events if it can."""
        return with_pretraining(self, unlabelled, stages)

    def require(self, background: Background) -> None:
        """Refuse a sample without labels of both kinds."""
        _truth(background.auxiliary["labelled"])

    def learn(self, background: Background, stages: Stages) -> Learned:
        """Nothing: the labels are in the sample."""
        return Learned()

    def fit(self, task: Task, learned: Learned, stages: Stages) -> Contrast:
        """Tell labelled signal from labelled background of the target."""
        labelled = task.background.auxiliary["labelled"]
        truth = _truth(labelled)
        observables = task.background.observables
        signal = observables.of_events(labelled[truth])
        beside = observables.of_events(sample_inside(labelled[~truth], task, self.kind, "labelled"))
        fold = fold_of(beside.ids, task.folds)
        classifiers = train_folds(
            self.classifier if task.members is None else with_members(self.classifier, task.members),
            Sample(signal.x, signal.weights, fold_of(signal.ids, task.folds)),
            Sample(beside.x, beside.weights, fold),
            seeds=stages.many("classifier", task.folds),
            folder=stages.at(CLASSIFIERS),
            store=stages.store,
            progress=stages.fraction("classifier"),
        )
        scores = held_out_scores(classifiers, beside.x, fold)
        return Contrast(classifiers, Reference(beside.x, beside.mass, scores, fold, beside.weights))

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """The classifiers of a finished search."""
        return load_contrast(folder, folds)

    def template_events(self, target: int, background: Background) -> int:
        """At most the labelled background that is not in the sidebands."""
        labelled = background.auxiliary["labelled"]
        return background.outside(labelled[~_truth(labelled)])


def _truth(labelled: Events) -> BoolArray:
    """Which events are signal, (N,); a `ConfigError` if that is not known or one kind is missing."""
    truth = labelled.truth
    if truth is None or not truth.any() or truth.all():
        what = "no truth labels" if truth is None else f"{int(np.sum(truth))} signal events of {len(labelled)}"
        raise ConfigError(
            f"method supervised: the sample 'labelled' has {what}; it must hold signal and background, and data.truth "
            "must say which is which."
        )
    return truth
