"""LaCATHODE: the classifier of CATHODE in the latent space of its flow."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray
from analysis.folds import random_folds
from cathode.classifiers import BoostedTrees, WeakClassifier
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.contrast import contrast, load_contrast
from cathode.methods.protocol import Background, Learned, Reference, Scoring, Task
from cathode.observables import Observed
from cathode.registry import METHODS, default_generator
from cathode.runtime.run_folder import TEMPLATE
from cathode.runtime.stages import Stages
from cathode.template.drawing import train_stage

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator

#: Latent variables beyond this many standard deviations are as good as there.
_FARTHEST = 8.0


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class LaCathode:
    """Latent data against a standard normal distribution (Hallin et al., 2210.14924).

    The flow that was learned in the sidebands takes every event, at its own mass, to the noise that it would have been
    made of. Background is normal there at all masses, so the score does not follow the mass and a cut sculpts nothing;
    what is left to be found is what does not belong to the background. One state of the flow is used, because latent
    spaces of different states can not be averaged.

    Attributes
    ----------
    generator : a flow of p(x | m) that can be followed both ways.
    classifier : tells latent data from normal numbers; one copy per fold.
    oversampling : normal numbers per data event of the target.
    """

    kind: ClassVar[str] = "lacathode"
    needs: ClassVar[frozenset[str]] = frozenset()

    generator: ConditionalGenerator = field(default_factory=default_generator)
    classifier: WeakClassifier = field(default_factory=BoostedTrees)
    oversampling: float = 4

    def __post_init__(self) -> None:
        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")

    def prepared(self, unlabelled: Observed, stages: Stages) -> Self:
        """The same: no latent space is there yet to learn in."""
        return self

    def require(self, background: Background) -> None:
        """Refuse observables, of which there is no latent space, and generators that can not be followed both ways."""
        if background.observables.kind != "as_read":
            raise ConfigError(
                f"method lacathode classifies what its flow was made of; observables = {background.observables.kind} "
                "would be ignored. Leave them out, or use another method."
            )
        require_followed(self.generator, self.kind)

    def learn(self, background: Background, stages: Stages) -> Learned:
        """The flow of the sidebands."""
        generator = train_stage(self.generator, background.events, stages)
        return Learned(generator, generator)

    def fit(self, task: Task, learned: Learned, stages: Stages) -> LatentContrast:
        """Tell latent data of the target from normal numbers."""
        events, flow = task.target.events, learned.generator
        latent = dataclasses.replace(
            task, target=Observed(events, dataclasses.replace(events, x=latents(flow, events)))
        )
        masses = task.masses(self.template_events(len(events), task.background), stages.seed("mass"))
        rng = np.random.default_rng(stages.seed("template"))
        noise = rng.standard_normal((len(masses), events.x.shape[1])).clip(-_FARTHEST, _FARTHEST)
        found = contrast(
            self.classifier,
            latent,
            stages,
            x=noise.astype(np.float32),
            mass=masses,
            fold=random_folds(len(masses), task.folds, seed=stages.seed("folds")),
            weights=np.ones(len(masses)),
        )
        return LatentContrast(flow, found, _as_read(flow, noise, found.reference))

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """Flow and classifiers of a finished search."""
        from generators.artifact import load

        if not (folder / TEMPLATE).exists():
            raise RunFolderError(f"{folder / TEMPLATE}: missing; this is not a finished run of method lacathode.")
        return LatentScoring(load(folder / TEMPLATE), load_contrast(folder, folds))

    def template_events(self, target: int, background: Background) -> int:
        """Normal numbers for so many events of the target."""
        return round(self.oversampling * target)


@dataclass(frozen=True, eq=False)
class LatentScoring:
    """A flow, and what scores the noise of its events."""

    flow: Any
    classifiers: Scoring

    def score(self, events: Observed) -> FloatArray:
        """Score of every event (N,)."""
        asked = dataclasses.replace(events.events, x=latents(self.flow, events.events))
        return self.classifiers.score(Observed(events.events, asked))


@dataclass(frozen=True, eq=False)
class LatentContrast(LatentScoring):
    """The same for a target, with the normal numbers as events of the flow and their scores."""

    reference: Reference


def latents(flow: Any, events: Events) -> NDArray[np.float32]:
    """Noise that a flow ascribes to events, (N, D), within 8 standard deviations."""
    from generators.tabular.transport import encoded

    noise = np.nan_to_num(encoded(flow, events.x, events.context), posinf=_FARTHEST, neginf=-_FARTHEST)
    return np.asarray(noise.clip(-_FARTHEST, _FARTHEST), np.float32)


def require_followed(generator: Any, kind: str) -> None:
    """Refuse a generator that is no flow of feature vectors that can be followed both ways."""
    from generators.tabular.base import TabularGenerator
    from generators.tabular.transport import Invertible, cannot

    if not isinstance(generator, TabularGenerator):
        raise ConfigError(
            f"method {kind} needs a flow of feature vectors; {type(generator).__name__} is none. Use "
            "autoregressive_spline."
        )
    if not isinstance(generator.build((2,), 1), Invertible):
        raise ConfigError(f"method {kind}: {cannot(generator)}")


def _as_read(flow: Any, noise: FloatArray, reference: Reference) -> Reference:
    """The reference with events in the place of noise, for figures."""
    from generators.tabular.transport import decoded

    return dataclasses.replace(reference, x=decoded(flow, noise, reference.mass[:, None]))
