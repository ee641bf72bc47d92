"""SA-CWoLa: window against sidebands, where simulation takes the mass away from the classifier."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from analysis.events import Events, FloatArray
from analysis.folds import fold_of
from cathode.classifiers import BoostedTrees, WeakClassifier
from cathode.classifiers.cross_fitting import Sample, held_out_scores, train_folds
from cathode.classifiers.ensembles import with_members
from cathode.errors import ConfigError
from cathode.methods.contrast import Contrast, load_contrast, with_pretraining
from cathode.methods.cwola import both_sides_alike
from cathode.methods.idealised import sample_inside
from cathode.methods.protocol import Background, Learned, Reference, Scoring, Task
from cathode.methods.salad import simulation_beside
from cathode.observables import Observed
from cathode.registry import METHODS
from cathode.runtime.run_folder import CLASSIFIERS
from cathode.runtime.stages import Stages


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class SaCwola:
    """CWoLa with simulation of the opposite label, the sample "simulation" (Benkendorfer et al., 2009.02205).

    Simulated events of the window count as sideband and those of the sidebands as window, with `penalty` times the
    weight of the data. Where features follow the mass in data and simulation alike, both tell the classifier opposite
    things; at a penalty of 1 and with a perfect simulation it learns nothing of the mass at all. The published loss
    subtracts the cross-entropy of the simulation; adding that of the opposite labels has the same end and is bounded.

    It makes no direct estimate: the expectation comes from a fit of the mass spectrum after the cut.

    Attributes
    ----------
    classifier : tells window from sidebands; one copy per fold.
    penalty : weight of the simulation over that of the data, λ of the paper.
    """

    kind: ClassVar[str] = "sa_cwola"
    needs: ClassVar[frozenset[str]] = frozenset({"simulation"})

    classifier: WeakClassifier = field(default_factory=BoostedTrees)
    penalty: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.penalty < math.inf:
            raise ConfigError(f"method sa_cwola: penalty = {self.penalty} must be positive; method cwola has none.")

    def prepared(self, unlabelled: Observed, stages: Stages) -> Self:
        """The same, with a classifier that has learned from unlabelled events if it can."""
        return with_pretraining(self, unlabelled, stages)

    def require(self, background: Background) -> None:
        """Refuse simulation with other columns, or that misses the sidebands."""
        simulation_beside(background, self.kind)

    def learn(self, background: Background, stages: Stages) -> Learned:
        """Nothing: the sidebands are used as they are."""
        return Learned()

    def fit(self, task: Task, learned: Learned, stages: Stages) -> Contrast:
        """Tell the events of the target from those beside it, and simulation the other way round."""
        observables = task.background.observables
        target, middle = task.target.observables, float(np.median(task.target.events.mass))
        beside = observables.of_events(task.background.events)
        of_beside = both_sides_alike(beside, middle)
        simulated = observables.of_events(simulation_beside(task.background, self.kind))
        inside = observables.of_events(
            sample_inside(task.background.auxiliary["simulation"], task, self.kind, "simulation")
        )
        # Both classes get half of all weight in the end; what is mixed into each has the same share of it.
        share = self.penalty * target.weights.sum(), self.penalty * of_beside.sum()
        fold = fold_of(beside.ids, task.folds)
        classifiers = train_folds(
            self.classifier if task.members is None else with_members(self.classifier, task.members),
            _joined(target, target.weights, simulated, _scaled(both_sides_alike(simulated, middle), share[0]), task),
            _joined(beside, of_beside, inside, _scaled(inside.weights, share[1]), task),
            seeds=stages.many("classifier", task.folds),
            folder=stages.at(CLASSIFIERS),
            store=stages.store,
            progress=stages.fraction("classifier"),
        )
        scores = held_out_scores(classifiers, beside.x, fold)
        return Contrast(classifiers, Reference(beside.x, beside.mass, scores, fold, of_beside, predicts=False))

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """The classifiers of a finished search."""
        return load_contrast(folder, folds)

    def template_events(self, target: int, background: Background) -> int:
        """As many as there are in the sidebands."""
        return len(background.events)


def _scaled(weights: FloatArray, total: float) -> FloatArray:
    """Weights (N,) that sum to a total."""
    return np.asarray(weights * (total / weights.sum()))


def _joined(data: Events, of_data: FloatArray, simulation: Events, of_simulation: FloatArray, task: Task) -> Sample:
    return Sample(
        np.concatenate([data.x, simulation.x]),
        np.concatenate([of_data, of_simulation]),
        np.concatenate([fold_of(data.ids, task.folds), fold_of(simulation.ids, task.folds)]),
    )
