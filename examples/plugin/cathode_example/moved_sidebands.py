"""A method without a generator: sideband events, moved along the drift of their features, stand for background."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from analysis.folds import random_folds
from cathode.classifiers import BoostedTrees, WeakClassifier
from cathode.errors import ConfigError
from cathode.methods import Learned, register
from cathode.methods.contrast import contrast, load_contrast, with_pretraining
from cathode.observables import Observables
from cathode.template.drawing import Template


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class MovedSidebands:
    """Mean features follow a polynomial of this `degree` in the mass; `classifier` tells data from what was moved."""

    kind: ClassVar[str] = "moved_sidebands"
    needs: ClassVar[frozenset[str]] = frozenset()

    classifier: WeakClassifier = field(default_factory=BoostedTrees)
    oversampling: float = 4
    degree: int = 1

    def __post_init__(self):
        if self.degree < 0:
            raise ConfigError(f"degree = {self.degree} of moved_sidebands must not be negative.")

    def prepared(self, unlabelled, stages):
        return with_pretraining(self, unlabelled, stages)

    def require(self, background):
        if background.events.x.ndim != 2:
            raise ConfigError("method moved_sidebands moves feature vectors; leave constituents out.")

    def learn(self, background, stages):
        """Nothing is trained here: the drift is found where it is used, which takes no time."""
        return Learned()

    def fit(self, task, learned, stages):
        beside = task.background.events
        drift = np.polynomial.polynomial.polyfit(beside.mass / 1000, beside.x, self.degree, w=np.abs(beside.weights))
        masses = task.masses(self.template_events(len(task.target), task.background), stages.seed("mass"))
        rng = np.random.default_rng(stages.seed("template"))
        positive = np.clip(beside.weights, 0, None)
        rows = rng.choice(len(beside), len(masses), p=positive / positive.sum())
        there, here = (np.polynomial.polynomial.polyval(m / 1000, drift).T for m in (masses, beside.mass[rows]))
        moved = Template((beside.x[rows] + there - here).astype(np.float32), masses)
        observables: Observables = task.background.observables
        template = observables.of_template(moved)
        fold = random_folds(len(template), task.folds, seed=stages.seed("folds"))
        return contrast(
            self.classifier, task, stages, x=template.x, mass=masses, fold=fold, weights=np.ones(len(masses))
        )

    @classmethod
    def load(cls, folder, *, folds):
        return load_contrast(folder, folds)

    def template_events(self, target, background):
        return round(self.oversampling * target)
