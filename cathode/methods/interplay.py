"""Several methods at once: the mean of their scores."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from analysis.events import FloatArray
from cathode.classifiers import BoostedTrees, WeakClassifier
from cathode.classifiers.cross_fitting import held_out_scores
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.cathode import Cathode
from cathode.methods.contrast import load_contrast, with_pretraining
from cathode.methods.protocol import Background, Learned, Method, Reference, Scoring, Task
from cathode.methods.templated import Templated
from cathode.observables import Observed
from cathode.registry import METHODS, default_generator, method_of
from cathode.runtime.stages import Stages
from cathode.template.drawing import FOLDS

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Interplay:
    """The mean of the scores of several methods (Golling, Kasieczka, Krause, Mastandrea et al., 2307.11157).

    Every member tells data from its own template by its own classifiers; templates that are wrong in different places
    mislead them differently, and the mean less than any. The template of the first member is what is counted.

    Attributes
    ----------
    members : kinds of methods that have a template and a classifier, or specifications with a kind; at least two.
    generator, classifier, oversampling : of every member that has one and does not say it itself.
    """

    kind: ClassVar[str] = "interplay"
    needs: ClassVar[frozenset[str]] = frozenset()

    members: tuple[Any, ...] = ("cathode", "rad_ot")
    generator: ConditionalGenerator = field(default_factory=default_generator)
    classifier: WeakClassifier = field(default_factory=BoostedTrees)
    oversampling: float = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.members))
        if len(self.members) < 2:
            raise ConfigError(f"method interplay: members = {list(self.members)}; at least two methods are combined.")
        for each in self.methods():
            if not isinstance(each, Templated | Cathode):
                raise ConfigError(
                    f"method interplay can not combine {each.kind}: it has no classifiers of data against a template. "
                    "Use cathode, curtains, feta, salad, rad_ot, sigma, drapes or idealised."
                )

    def methods(self) -> tuple[Any, ...]:
        """The members."""
        made = []
        for each in self.members:
            said = {"kind": each} if isinstance(each, str) else dict(each)
            has = {f.name for f in dataclasses.fields(METHODS.resolve(said["kind"]))} if "kind" in said else set()
            shared = {"generator": self.generator, "classifier": self.classifier, "oversampling": self.oversampling}
            made.append(method_of({**{k: v for k, v in shared.items() if k in has}, **said}))
        return tuple(made)

    def prepared(self, unlabelled: Observed, stages: Stages) -> Self:
        """The same, with a classifier that has learned from unlabelled events if it can."""
        return with_pretraining(self, unlabelled, stages)

    def require(self, background: Background) -> None:
        """Refuse what a member would refuse, and samples that one misses."""
        for each in self.methods():
            missing = sorted(each.needs - background.auxiliary.keys())
            if missing:
                raise ConfigError(
                    f"method {each.kind} needs the sample '{missing[0]}'; name its files in data.auxiliary, or hand "
                    "its events over in auxiliary."
                )
            each.require(background)

    def learn(self, background: Background, stages: Stages) -> Learned:
        """What every member learns of the background."""
        learned = tuple(each.learn(background, _of(stages, place)) for place, each in enumerate(self.methods()))
        return Learned(learned[0].generator, model=learned)

    def fit(self, task: Task, learned: Learned, stages: Stages) -> MeanContrast:
        """Fit every member, and count the template of the first by the mean of all scores."""
        fitted = tuple(
            each.fit(task, of_each, _of(stages, place))
            for place, (each, of_each) in enumerate(zip(self.methods(), learned.model, strict=True))
        )
        first = fitted[0].reference
        scores = np.mean([held_out_scores(each.classifiers, first.x, first.fold) for each in fitted], axis=0)
        return MeanContrast(fitted, dataclasses.replace(first, scores=scores))

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """The classifiers of all members of a finished search."""
        places = sorted(folder.glob("member_*"), key=lambda place: int(place.name.rpartition("_")[2]))
        if not places:
            raise RunFolderError(f"{folder}: no members; this is not a finished run of method interplay.")
        return MeanScores(tuple(load_contrast(place, folds) for place in places))

    def template_events(self, target: int, background: Background) -> int:
        """Events of the template of the first member."""
        first: Method = self.methods()[0]
        return first.template_events(target, background)


@dataclass(frozen=True, eq=False)
class MeanScores:
    """The mean of several scores."""

    members: tuple[Scoring, ...]

    def score(self, events: Observed) -> FloatArray:
        """Score of every event (N,)."""
        return np.asarray(np.mean([each.score(events) for each in self.members], axis=0))


@dataclass(frozen=True, eq=False)
class MeanContrast(MeanScores):
    """The same for a target, with the template that is counted."""

    reference: Reference


def _of(stages: Stages, place: int) -> Stages:
    """Seeds and places of a member, so that no two share any but the seed of folds.

    What two members move are the same events: a classifier of one that has learned from them must not score them in the
    template of the other.
    """
    name = f"member_{place}"
    return dataclasses.replace(
        stages,
        purpose=lambda purpose: stages.purpose(purpose if purpose == FOLDS else f"{name} {purpose}"),
        label=lambda stage: stages.label(f"{name} {stage}"),
        place=lambda product: _beside(stages.place(product), name),
    )


def _beside(product: str, name: str) -> str:
    """The place of a product of a member: in a folder of its own beside those of the others."""
    folder, _, last = product.rpartition("/")
    return f"{folder}/{name}/{last}" if folder else f"{name}/{last}"
