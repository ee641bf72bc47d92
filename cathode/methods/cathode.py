"""CATHODE: a density learned in the sidebands, interpolated into the window, and a classifier of data against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from analysis.events import Events
from cathode.classifiers import BoostedTrees, WeakClassifier
from cathode.errors import ConfigError
from cathode.methods.contrast import Contrast, contrast, load_contrast, predicted_by, with_pretraining
from cathode.methods.protocol import Background, Learned, Scoring, Task
from cathode.observables import Observed
from cathode.registry import METHODS, default_generator
from cathode.runtime.stages import Stages
from cathode.template.drawing import FOLDS, Sampler, draw_at, folds_of, train_stage
from cathode.template.rejection import reweighted
from cathode.template.reweighting import Reweighting
from cathode.template.transport import moved_template, transport_along

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
    reach : sideband events within this factor in mass of the target, moved into it along the generator, are what is
        counted: see `cathode.template.transport`. None counts the template that the classifier was trained against.
    """

    kind: ClassVar[str] = "cathode"
    needs: ClassVar[frozenset[str]] = frozenset()

    generator: ConditionalGenerator = field(default_factory=default_generator)
    reweighting: Reweighting | Sequence[Reweighting] | None = None
    classifier: WeakClassifier = field(default_factory=BoostedTrees)
    oversampling: float = 4
    reach: float | None = 1.2

    def __post_init__(self) -> None:
        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")
        if self.reach is not None and not 1 < self.reach < math.inf:
            raise ConfigError(f"reach = {self.reach} must be a finite factor above 1, or null.")
        object.__setattr__(self, "reweighting", _steps(self.reweighting))

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
        return Learned(generator, sampler, self._predictor(generator, background.events))

    def fit(self, task: Task, learned: Learned, stages: Stages) -> Contrast:
        """Draw the template at background masses of the target, and tell data from it."""
        assert learned.sampler is not None
        masses = task.masses(self.template_events(len(task.target), task.background), stages.seed("mass"))
        drawn = draw_at(learned.sampler, masses, seed=stages.seed("template"))
        template = task.background.observables.of_template(drawn)
        fold = folds_of(template, task.folds, seed=stages.seed(FOLDS))
        found = contrast(
            self.classifier,
            task,
            stages,
            x=template.x,
            mass=template.mass,
            fold=fold,
            weights=template.weights,
            member=template.member,
        )
        moved = moved_template(learned.predictor, masses, seed=stages.seed("prediction"))
        if moved is None:
            return found
        counted = task.background.observables.of_template(moved)
        return predicted_by(found, counted, folds_of(counted, task.folds, seed=stages.seed(FOLDS)))

    def _predictor(self, generator: Any, sideband: Events) -> Sampler | None:
        """What moves sideband events, where the template is not reweighted: that would correct the same error twice."""
        if self.reach is None or self.reweightings:
            return None
        return transport_along(generator, sideband, reach=self.reach)

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """The classifiers of a finished search."""
        return load_contrast(folder, folds)

    def template_events(self, target: int, background: Background) -> int:
        """Events of the template for so many of the target."""
        return round(self.oversampling * target)


def _steps(given: Any) -> tuple[Reweighting, ...]:
    """One alone and a list of one are the same search, as are an empty list and none."""
    several = () if given is None else (given,) if isinstance(given, Reweighting | Mapping) else given
    if not isinstance(several, tuple | list) or not all(isinstance(each, Reweighting | Mapping) for each in several):
        raise ConfigError(f"reweighting = {given!r} must be a Reweighting, several of them, or None.")
    return tuple(each if isinstance(each, Reweighting) else Reweighting(**each) for each in several)
