"""RAD-OT: the background of the window on straight lines between matched events of both sidebands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from analysis.errors import TooFewEventsError
from analysis.events import Events, FloatArray
from cathode.errors import ConfigError
from cathode.methods.protocol import Background, Learned, Task
from cathode.methods.templated import Templated
from cathode.methods.transport import refuse_negative
from cathode.region import Interval
from cathode.registry import METHODS
from cathode.runtime.stages import Stages
from cathode.template.drawing import FOLDS, Template, folds_of_origins


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class RadOt(Templated):
    """Data against optimal-transport paths of the sidebands (Leigh, Sengupta, Nachman & Golling, 2407.19818).

    Events below the target are matched with as many above it, so that the sum of the squared distances of their
    standardised features is least; at a mass in between, an event lies on the straight line between the two. Where the
    density changes by a motion that is linear in the mass this is exact, and nothing is trained.

    Attributes
    ----------
    batch : events of each side that are matched at once.
    oversampling : events on paths per data event of the target.
    reach : events within this factor in mass of the target are matched.
    """

    kind: ClassVar[str] = "rad_ot"
    needs: ClassVar[frozenset[str]] = frozenset()

    batch: int = 1000
    oversampling: float = 4
    reach: float = 1.2

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ConfigError(f"method rad_ot: batch = {self.batch} must be at least 2.")
        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")
        if not 1 < self.reach < math.inf:
            raise ConfigError(f"reach = {self.reach} must be a finite factor above 1.")

    @override
    def require(self, background: Background) -> None:
        """Refuse negative weights, and events that are no feature vectors."""
        refuse_negative(background.events, self.kind)
        if background.events.x.ndim != 2:
            raise ConfigError("method rad_ot matches feature vectors; these events are constituents.")

    @override
    def learn(self, background: Background, stages: Stages) -> Learned:
        """Nothing: the matching is made for a target."""
        return Learned()

    @override
    def template(self, task: Task, learned: Learned, stages: Stages) -> Template:
        masses = task.masses(self.template_events(len(task.target), task.background), stages.seed("mass"))
        rng = np.random.default_rng(stages.seed("template"))
        sideband = task.background.events
        sides = Sides(sideband, _places(sideband), task.folds, stages.seed(FOLDS))
        parts = [
            self._on_paths(sides, interval, mine, rng)
            for interval in task.intervals
            if len(mine := masses[interval(masses)])
        ]
        x, mass, origin = (np.concatenate([part[index] for part in parts]) for index in range(3))
        return Template(np.asarray(x, np.float32), mass, origin=origin)

    def _on_paths(
        self, sides: Sides, interval: Interval, mass: FloatArray, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
        """Features, masses and origins of events at these masses (T,); both ends of a path are in one fold."""
        x, origin = np.empty((len(mass), sides.events.x.shape[1])), np.empty(len(mass), np.int64)
        folds = sides.of(interval, self.reach)
        few = min(folds, key=lambda fold: min(len(side) for side in fold))
        if min(len(side) for side in few) < 2:
            raise TooFewEventsError(
                f"method rad_ot: {len(few[0])} events below and {len(few[1])} above {interval.low:g}–"
                f"{interval.high:g} GeV within a factor of {self.reach:g} in one of {len(folds)} folds; at least 2 are "
                "needed on each side. Raise reach."
            )
        start, number = 0, 0
        while start < len(mass):
            below, above = folds[number % len(folds)]
            size = min(self.batch, len(below), len(above))
            rows = slice(start, start + size)
            count = len(mass[rows])
            low, high = (side[_drawn(sides.events[side], size, rng)] for side in (below, above))
            paths = Paths.matched(sides.events[low], sides.events[high])
            chosen = rng.permutation(size)[:count]
            x[rows], origin[rows] = paths.at(chosen, mass[rows]), sides.place[low[chosen]]
            start, number = start + size, number + 1
        return x, mass, origin

    @override
    def template_events(self, target: int, background: Background) -> int:
        """Events on paths for so many of the target."""
        return round(self.oversampling * target)


@dataclass(frozen=True, eq=False)
class Sides:
    """Sideband events with their places (N,) in the order of masses, which say their folds."""

    events: Events
    place: NDArray[np.int64]
    folds: int
    seed: int

    def of(self, interval: Interval, reach: float) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Rows below and above an interval within a factor in mass, by fold."""
        mass, fold = self.events.mass, folds_of_origins(self.place, self.folds, seed=self.seed)
        below = (mass < interval.low) & (mass >= interval.low / reach)
        above = (mass >= interval.high) & (mass < interval.high * reach)
        return [
            (np.flatnonzero(below & (fold == index)), np.flatnonzero(above & (fold == index)))
            for index in range(self.folds)
        ]


@dataclass(frozen=True, eq=False)
class Paths:
    """Straight lines through features (K, D): from x at a mass (K,) below to x at a mass above, in GeV."""

    x: tuple[FloatArray, FloatArray]
    mass: tuple[FloatArray, FloatArray]

    @classmethod
    def matched(cls, below: Events, above: Events) -> Self:
        """The lines of least squared length between as many events of both sides, in standard deviations."""
        from scipy.optimize import linear_sum_assignment
        from scipy.spatial.distance import cdist

        scale = np.concatenate([below.x, above.x]).std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        low, high = (np.asarray(each.x / scale, np.float64) for each in (below, above))
        rows, columns = linear_sum_assignment(cdist(low, high, "sqeuclidean"))
        ends = below.x[rows].astype(np.float64), above.x[columns].astype(np.float64)
        return cls(ends, (below.mass[rows], above.mass[columns]))

    def at(self, path: NDArray[np.int64], mass: FloatArray) -> FloatArray:
        """Features (T, D) on some paths (T,) at masses (T,)."""
        (x_low, x_high), (low, high) = ((part[path] for part in pair) for pair in (self.x, self.mass))
        share = ((mass - low) / (high - low))[:, None]
        return np.asarray((1 - share) * x_low + share * x_high)

    def transport(self, x: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
        """Events x (N, D) at `start` (N,), each along the path that is nearest there, to `end` (N,)."""
        nearest = np.empty(len(x), np.int64)
        every = np.arange(len(self.mass[0]))
        for row, (event, mass) in enumerate(zip(x, start, strict=True)):
            there = self.at(every, np.full(len(every), mass))
            nearest[row] = np.argmin(np.square(there - event).sum(axis=1))
        slope = (self.x[1] - self.x[0]) / (self.mass[1] - self.mass[0])[:, None]
        return np.asarray(x + (np.asarray(end) - np.asarray(start))[:, None] * slope[nearest])

    def back(self, x: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
        """The way back, along the same path."""
        return self.transport(x, start, end)


def _places(events: Events) -> NDArray[np.int64]:
    """Place of every event with a weight in the order of masses (N,), as `generators.tabular.bracketing` has it."""
    used = np.flatnonzero(events.weights)
    place = np.zeros(len(events), np.int64)
    place[used[np.argsort(events.mass[used], kind="stable")]] = np.arange(len(used))
    return place


def _drawn(events: Events, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of so many events, without repetition, by their weights."""
    chance = events.weights / events.weights.sum()
    # With few events of weight, a draw without repetition must leave none but the weightless out.
    possible = int(np.count_nonzero(chance))
    return rng.choice(len(events), size=size, replace=possible < size, p=chance)
