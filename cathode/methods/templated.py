"""What methods share that tell data from a template by a classifier: all but where the template comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, final

from cathode.classifiers import BoostedTrees, WeakClassifier
from cathode.methods.contrast import Contrast, contrast, load_contrast, with_pretraining
from cathode.methods.protocol import Background, Learned, Scoring, Task
from cathode.observables import Observed
from cathode.runtime.stages import Stages
from cathode.template.drawing import FOLDS, Template, folds_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Templated(ABC):
    """A method with a `classifier` of data against a template, which a method of this kind makes."""

    classifier: WeakClassifier = field(default_factory=BoostedTrees)

    @abstractmethod
    def template(self, task: Task, learned: Learned, stages: Stages) -> Template:
        """Background in the target, as it would be read; what is a copy of the same event has the same origin."""

    @abstractmethod
    def require(self, background: Background) -> None:
        """Refuse a background that `learn` would stumble over after hours; named errors."""

    @abstractmethod
    def learn(self, background: Background, stages: Stages) -> Learned:
        """Learn the background, without a look at any target."""

    @abstractmethod
    def template_events(self, target: int, background: Background) -> int:
        """Events of the template for so many in the target, and at most what there can be of a given sample."""

    @final
    def prepared(self, unlabelled: Observed, stages: Stages) -> Self:
        """The same, with a classifier that has learned from unlabelled events if it can."""
        return with_pretraining(self, unlabelled, stages)

    @final
    def fit(self, task: Task, learned: Learned, stages: Stages) -> Contrast:
        """Tell the data of the target from the template, held out by fold."""
        seen = task.background.observables.of_template(self.template(task, learned, stages))
        return contrast(
            self.classifier,
            task,
            stages,
            x=seen.x,
            mass=seen.mass,
            fold=folds_of(seen, task.folds, seed=stages.seed(FOLDS)),
            weights=seen.weights,
            origin=seen.origin,
            member=seen.member,
        )

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """The classifiers of a finished search."""
        return load_contrast(folder, folds)
