"""CATHODE: a density learned in the sidebands, interpolated into the window, and a classifier of data against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from analysis.folds import random_folds
from cathode.classifiers import BoostedTrees, WeakClassifier
from cathode.errors import ConfigError
from cathode.methods.contrast import Contrast, contrast, load_contrast, with_pretraining
from cathode.methods.protocol import Background, Learned, Scoring, Task
from cathode.observables import Observed
from cathode.registry import METHODS, default_generator
from cathode.runtime.stages import Stages
from cathode.template.drawing import draw_at, train_stage
from cathode.template.rejection import reweighted
from cathode.template.reweighting import Reweighting

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Cathode:
    """Data against a generated template (Hallin et al., 2109.00546).

    Attributes
    ----------
    generator : learns p(x | m) in the sidebands and draws the template in the window.
    reweighting : corrects the template by what a classifier still finds in the sidebands; None does without. Of
        several, each corrects what those before it left.
    classifier : tells data from template; one copy per fold.
    oversampling : template events per data event of the target.
    """

    kind: ClassVar[str] = "cathode"
    needs: ClassVar[frozenset[str]] = frozenset()

    generator: ConditionalGenerator = field(default_factory=default_generator)
    reweighting: Reweighting | Sequence[Reweighting] | None = None
    classifier: WeakClassifier = field(default_factory=BoostedTrees)
    oversampling: float = 4

    def __post_init__(self) -> None:
        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")
        # One alone and a list of one are the same search, as are an empty list and none.
        one = self.reweighting
        steps = () if one is None else (one,) if isinstance(one, Reweighting) else tuple(one)
        object.__setattr__(self, "reweighting", steps)

    @property
    def reweightings(self) -> tuple[Reweighting, ...]:
        """All of `reweighting`, in the order in which they correct the template."""
        assert isinstance(self.reweighting, tuple)
        return self.reweighting

    def prepared(self, unlabelled: Observed, stages: Stages) -> Self:
        """The same, with a classifier that has learned from unlabelled events if it can."""
        return with_pretraining(self, unlabelled, stages)

    def require(self, background: Background) -> None:
        """Refuse sidebands of which a reweighting would find too few events in a fold."""
        for each in self.reweightings:
            each.require(background.events)

    def learn(self, background: Background, stages: Stages) -> Learned:
        """Train the generator, and what corrects it, on the sidebands."""
        generator = train_stage(self.generator, background.events, stages)
        sampler = reweighted(self.reweightings, generator, background.observables, background.events, stages)
        return Learned(generator, sampler)

    def fit(self, task: Task, learned: Learned, stages: Stages) -> Contrast:
        """Draw the template at background masses of the target, and tell data from it."""
        assert learned.sampler is not None
        masses = task.masses(self.template_events(len(task.target)), stages.seed("mass"))
        drawn = draw_at(learned.sampler, masses, seed=stages.seed("template"))
        template = task.background.observables.of_template(drawn)
        fold = random_folds(len(template), task.folds, seed=stages.seed("folds"))
        return contrast(
            self.classifier, task, stages, x=template.x, mass=template.mass, fold=fold, weights=template.weights
        )

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """The classifiers of a finished search."""
        return load_contrast(folder, folds)

    def template_events(self, target: int) -> int:
        """Events of the template for so many of the target."""
        return round(self.oversampling * target)
