"""ANODE: the ratio of two densities, one interpolated from the sidebands and one learned in the window."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray
from analysis.folds import fold_of, random_folds
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.protocol import Background, Learned, Reference, Scoring, Task
from cathode.observables import Observed
from cathode.registry import METHODS, default_generator
from cathode.runtime.processes import one_thread
from cathode.runtime.run_folder import TEMPLATE
from cathode.runtime.stages import Stages
from cathode.template.drawing import draw_at, train_generator, train_stage

if TYPE_CHECKING:
    from generators.protocols import DensityGenerator

#: Log-ratios beyond this are as good as infinite, which no histogram takes.
_LARGEST = 700.0
#: Where the densities of the window lie in a run folder, one per fold.
DENSITIES = "densities"


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Anode:
    """Ratio of two densities (Nachman & Shih, 2001.04990); that of the data is held out by fold.

    Score of an event: ln p_data(x | m) − ln p_background(x | m). Both densities are those of the features that were
    read, so there are no other observables.

    Attributes
    ----------
    generator : learns p(x | m), once in the sidebands and once per fold in the window; must know its density.
    oversampling : events drawn from the interpolated density per event of the target; they set the cut.
    """

    kind: ClassVar[str] = "anode"
    needs: ClassVar[frozenset[str]] = frozenset()

    classifier: ClassVar[None] = None

    generator: DensityGenerator = field(default_factory=default_generator)
    oversampling: float = 4

    def __post_init__(self) -> None:
        from generators.protocols import DensityGenerator

        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")
        if not isinstance(self.generator, DensityGenerator):
            raise ConfigError(
                f"method anode needs a generator that knows its density; {type(self.generator).__name__} only draws. "
                "Use autoregressive_spline, or method cathode."
            )

    def prepared(self, unlabelled: Observed, stages: Stages) -> Self:
        """The same: nothing is learned beforehand."""
        return self

    def require(self, background: Background) -> None:
        """Refuse observables: a density of them is not what was learned."""
        if background.observables.kind != "as_read":
            raise ConfigError(
                f"method anode compares densities of what was read; observables = {background.observables.kind} would "
                "be ignored. Leave them out, or use another method."
            )

    def learn(self, background: Background, stages: Stages) -> Learned:
        """The density of the sidebands."""
        generator = train_stage(self.generator, background.events, stages)
        return Learned(generator, generator)

    def fit(self, task: Task, learned: Learned, stages: Stages) -> FittedRatio:
        """Densities of the target, each without one fold, over that of the sidebands."""
        events, fold = task.target.events, fold_of(task.target.events.ids, task.folds)
        place = stages.at(DENSITIES)
        inner = tuple(
            train_generator(
                self.generator,
                events[fold != index],
                seed=seed,
                folder=None if place is None else place / f"fold_{index}",
                store=stages.store,
                monitor=stages.epochs(f"density fold {index}"),
            )
            for index, seed in enumerate(stages.many("classifier", task.folds))
        )
        ratio = DensityRatio(learned.generator, inner)
        masses = task.masses(self.template_events(len(events), task.background), stages.seed("mass"))
        drawn = draw_at(learned.generator, masses, seed=stages.seed("template"))
        of_drawn = random_folds(len(drawn), task.folds, seed=stages.seed("folds"))
        scores = ratio.log_ratio(drawn.x, drawn.mass, of_drawn)
        return FittedRatio(ratio.outer, inner, Reference(drawn.x, drawn.mass, scores, of_drawn, drawn.weights))

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """The densities of a finished search."""
        from generators.artifact import load

        places = [folder / TEMPLATE, *(folder / DENSITIES / f"fold_{fold}" for fold in range(folds))]
        for place in places:
            if not place.exists():
                raise RunFolderError(f"{place}: missing; this is not a finished run of method anode.")
        outer, *inner = (load(place) for place in places)
        return DensityRatio(outer, tuple(inner))

    def template_events(self, target: int, background: Background) -> int:
        """Events drawn from the interpolated density for so many of the target."""
        return round(self.oversampling * target)


@dataclass(frozen=True, eq=False)
class DensityRatio:
    """ln p(x | m) of the density i that has not seen fold i, over that of the sidebands."""

    outer: Any
    inner: tuple[Any, ...]

    def score(self, events: Observed) -> FloatArray:
        """Log-ratio of every event, (N,)."""
        asked: Events = events.events
        return self.log_ratio(asked.x, asked.mass, fold_of(asked.ids, len(self.inner)))

    def log_ratio(self, x: FloatArray, mass: FloatArray, fold: NDArray[np.int64]) -> FloatArray:
        """Ln p_data − ln p_background of x (N, *event) at masses (N,) in GeV, by fold (N,).

        Both are −infinity far outside of what was learned; such an event is like background, and gets 0.
        """
        context = np.asarray(mass)[:, None]
        with one_thread():
            below = np.asarray(self.outer.log_prob(x, context), np.float64)
            above = np.empty(len(x))
            for index, density in enumerate(self.inner):
                mine = fold == index
                if mine.any():
                    above[mine] = density.log_prob(x[mine], context[mine])
        with np.errstate(invalid="ignore"):
            ratio = above - below
        return np.where(np.isnan(ratio), 0.0, np.clip(ratio, -_LARGEST, _LARGEST))


@dataclass(frozen=True, eq=False)
class FittedRatio(DensityRatio):
    """The ratio, and events of the interpolated density with their scores."""

    reference: Reference
