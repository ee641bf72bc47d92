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
from cathode.template.drawing import Template


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
        parts = []
        for interval in task.intervals:
            mine = masses[interval(masses)]
            if len(mine):
                parts.append(self._on_paths(task.background.events, interval, mine, rng))
        first = np.cumsum([0, *(int(part.origin.max()) + 1 for part in parts if part.origin is not None)])
        return Template(
            np.concatenate([part.x for part in parts]),
            np.concatenate([part.mass for part in parts]),
            origin=np.concatenate([start + part.origin for start, part in zip(first[:-1], parts, strict=True)]),
        )

    def _on_paths(self, sideband: Events, interval: Interval, mass: FloatArray, rng: np.random.Generator) -> Template:
        below = sideband[(sideband.mass < interval.low) & (sideband.mass >= interval.low / self.reach)]
        above = sideband[(sideband.mass >= interval.high) & (sideband.mass < interval.high * self.reach)]
        x, origin = np.empty((len(mass), sideband.x.shape[1])), np.empty(len(mass), np.int64)
        size = min(self.batch, len(below), len(above))
        if size < 2:
            raise TooFewEventsError(
                f"method rad_ot: {len(below)} events below and {len(above)} above {interval.low:g}–{interval.high:g} "
                f"GeV within a factor of {self.reach:g}; at least 2 are needed on each side. Raise reach."
            )
        for start in range(0, len(mass), size):
            rows = slice(start, start + size)
            count = len(mass[rows])
            low, high = _drawn(below, size, rng), _drawn(above, size, rng)
            paths = Paths.matched(below[low], above[high])
            chosen = rng.permutation(size)[:count]
            x[rows], origin[rows] = paths.at(chosen, mass[rows]), low[chosen]
        return Template(np.asarray(x, np.float32), mass, origin=origin)

    @override
    def template_events(self, target: int, background: Background) -> int:
        """Events on paths for so many of the target."""
        return round(self.oversampling * target)


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


def _drawn(events: Events, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of so many events, without repetition, by their weights."""
    chance = events.weights / events.weights.sum()
    # With few events of weight, a draw without repetition must leave none but the weightless out.
    possible = int(np.count_nonzero(chance))
    return rng.choice(len(events), size=size, replace=possible < size, p=chance)
