"""What a method is asked, and what it answers: the one seam between a search and every published method.

A method answers two questions: where the background of the window comes from, and how data are told from it. All else
(regions, folds, cuts, counting, validation, report, resuming) is common to all. It answers in two steps: `learn` sees
the background and nothing else, so it is blind by construction; `fit` is then shown where to look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from analysis.events import BoolArray, Events, FloatArray
from cathode.classifiers.protocol import WeakClassifier
from cathode.observables import Observables, Observed
from cathode.region import Interval
from cathode.runtime.stages import Stages
from cathode.template.drawing import Sampler


def everywhere(mass: FloatArray) -> BoolArray:
    """True for every mass (N,)."""
    return np.ones(len(mass), dtype=bool)


@dataclass(frozen=True, eq=False)
class Background:
    """What the background may be learned from: sideband events, and samples that are no data.

    `auxiliary` holds events by name, such as "simulation"; a method says in `needs` which it wants. They have any mass;
    `inside` says which masses (N,) in GeV are those of the sidebands.
    """

    events: Events
    observables: Observables
    auxiliary: Mapping[str, Events] = field(default_factory=dict)
    inside: Callable[[FloatArray], BoolArray] = everywhere

    def outside(self, sample: Events) -> int:
        """How many events of a sample are not at masses of the sidebands: as many may lie in a target."""
        return len(sample) - int(np.count_nonzero(self.inside(sample.mass)))


@dataclass(frozen=True, eq=False)
class Task:
    """One question: the window, or a validation region beside it.

    Attributes
    ----------
    background : what the method learned from.
    target : where to look, without truth labels.
    masses : (n, seed) -> background masses (n,) in the target, GeV.
    folds : parts of the target; no event is scored by a model that saw its fold.
    intervals : masses that belong to the target, GeV; one window, or several validation regions.
    members : members that an ensemble of classifiers has at most; None for what the method says.
    """

    background: Background
    target: Observed
    masses: Callable[[int, int], FloatArray]
    folds: int
    intervals: tuple[Interval, ...]
    members: int | None = None

    def inside(self, mass: FloatArray) -> BoolArray:
        """Which masses (N,) in GeV lie in the target."""
        found: BoolArray = np.any([interval(mass) for interval in self.intervals], axis=0)
        return found


@dataclass(frozen=True, eq=False)
class Reference:
    """What stands for background in a target: observables x (T, *observables), masses (T,) GeV, held-out scores (T,).

    `weights` (T,) come along through cut, count and p-value. `predicts` is False where the share of the reference that
    passes a cut is no background efficiency, as with sideband events whose features follow the mass: then the
    expectation comes from a fit of the mass spectrum after the cut. `origin` (T,) numbers the events that rows are
    copies of, where some are copies: they fluctuate together. `member` (T,) numbers the member of an ensemble of
    generators that made a row, where there is one.
    """

    x: FloatArray
    mass: FloatArray
    scores: FloatArray
    fold: NDArray[np.int64]
    weights: FloatArray
    predicts: bool = True
    origin: NDArray[np.int64] | None = None
    member: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: NDArray[np.bool_]) -> Reference:
        """Some rows, by a mask (T,)."""
        some = {name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return Reference(**some, predicts=self.predicts)


@dataclass(frozen=True, eq=False)
class Learned:
    """What a method knows of the background before it is shown a target.

    `generator` is what was trained, with its losses; `sampler` draws from it, perhaps reweighted; `predictor` gives
    what is counted in the place of those draws, if anything else does; `model` is what is no generator, such as the
    classifier of a reweighting. They are None where nothing is learned.
    """

    generator: Any = None
    sampler: Sampler | None = None
    predictor: Sampler | None = None
    model: Any = None


class Scoring(Protocol):
    """Scores events; larger is more like a signal."""

    def score(self, events: Observed) -> FloatArray:
        """Score of every event (N,), by models that did not see its fold."""
        ...


class Fitted(Scoring, Protocol):
    """A method that has seen its target."""

    @property
    def reference(self) -> Reference:
        """What stands for background in the target."""
        ...


@runtime_checkable
class Finding(Protocol):
    """A fitted method that has measured something of its own, such as a fraction of signal."""

    @property
    def findings(self) -> Mapping[str, float]:
        """Name -> value; they stand in the result."""
        ...


@runtime_checkable
class Method(Protocol):
    """A published method; a frozen dataclass whose fields are its parts and hyperparameters."""

    kind: ClassVar[str]
    #: Names of the auxiliary samples that it wants, checked before anything is trained.
    needs: ClassVar[frozenset[str]]

    @property
    def classifier(self) -> WeakClassifier | None:
        """What tells data from background, if a classifier does; a study of the idealised detector trains it too."""
        ...

    def prepared(self, unlabelled: Observed, stages: Stages) -> Self:
        """The method after what it can learn from sideband events that no task asks about, once per search."""
        ...

    def require(self, background: Background) -> None:
        """Refuse a background that `learn` would stumble over after hours; named errors."""
        ...

    def learn(self, background: Background, stages: Stages) -> Learned:
        """Learn the background, without a look at any target."""
        ...

    def fit(self, task: Task, learned: Learned, stages: Stages) -> Fitted:
        """Tell the data of the target from background, held out by fold."""
        ...

    @classmethod
    def load(cls, folder: Path, *, folds: int) -> Scoring:
        """The scores of a finished search from its run folder; errors name the folder."""
        ...

    def template_events(self, target: int, background: Background) -> int:
        """Events of the reference for so many in the target, and at most what there can be of a given sample."""
        ...
