"""CWoLa Hunting: the window against its sidebands, without a model of the background."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from analysis.events import Events, FloatArray
from analysis.folds import fold_of
from cathode.classifiers import BoostedTrees, WeakClassifier
from cathode.methods.contrast import Contrast, contrast, load_contrast, with_pretraining
from cathode.methods.protocol import Background, Learned, Scoring, Task
from cathode.observables import Observed
from cathode.registry import METHODS
from cathode.runtime.stages import Stages


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Cwola:
    """Window against sidebands (Collins, Howe & Nachman, 1805.02664, 1902.02634).

    It assumes that features of the background do not follow the mass. Where they do, the classifier learns the
    difference between window and sidebands instead of a signal, and the share of sideband events that pass a cut is no
    background efficiency; so the expectation comes from a fit of the mass spectrum after the cut.

    Attributes
    ----------
    classifier : tells window from sidebands; one copy per fold.
    """

    kind: ClassVar[str] = "cwola"
    needs: ClassVar[frozenset[str]] = frozenset()

    classifier: WeakClassifier = field(default_factory=BoostedTrees)

    def prepared(self, unlabelled: Observed, stages: Stages) -> Self:
        """The same, with a classifier that has learned from unlabelled events if it can."""
        return with_pretraining(self, unlabelled, stages)

    def require(self, background: Background) -> None:
        """Any sidebands will do."""

    def learn(self, background: Background, stages: Stages) -> Learned:
        """Nothing: the sidebands are used as they are."""
        return Learned()

    def fit(self, task: Task, learned: Learned, stages: Stages) -> Contrast:
        """Tell the events of the target from those beside it; both sides of it count alike."""
        beside = task.background.observables.of_events(task.background.events)
        weights = both_sides_alike(beside, float(np.median(task.target.events.mass)))
        fold = fold_of(beside.ids, task.folds)
        return contrast(
            self.classifier,
            task,
            stages,
            x=beside.x,
            mass=beside.mass,
            fold=fold,
            weights=weights,
            predicts=False,
        )

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """The classifiers of a finished search."""
        return load_contrast(folder, folds)

    def template_events(self, target: int, background: Background) -> int:
        """As many as there are in the sidebands."""
        return len(background.events)


def both_sides_alike(beside: Events, middle: float) -> FloatArray:
    """Weights (N,) of events beside a target, of which those below its middle mass count as much as those above."""
    below = beside.mass < middle
    weights = beside.weights.copy()
    for side in (below, ~below):
        if side.any() and not side.all():
            weights[side] *= 0.5 * beside.weights.sum() / weights[side].sum()
    return weights
