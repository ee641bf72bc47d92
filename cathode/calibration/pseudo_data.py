"""Background-only events that look like those of an analysis: as many as there are, Poisson-distributed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.events import Events, FloatArray
from cathode.errors import CalibrationError
from cathode.region import Region
from cathode.template.drawing import Sampler, draw_at
from cathode.template.mass_models import MassModel


class PseudoData(Protocol):
    """Draws the events of one pseudo-experiment."""

    def draw(self, seed: int) -> Events:
        """Background events in window and sidebands; other seeds are other experiments."""
        ...


@dataclass(frozen=True, eq=False)
class FromTemplate:
    """Features from the template at masses of its mass model in the window and of the sidebands beside it.

    The mass model describes the window; masses of the sidebands are drawn from those of the data with replacement, so
    that a turn-on stays what it is. Features come from the template everywhere, so that no experiment shares an event
    with another one. What the template gets wrong about the data, these experiments do not know: they calibrate
    counting, folds and validation, not the template itself.
    """

    generator: Sampler
    mass_model: MassModel
    sideband_mass: FloatArray
    columns: tuple[str, ...]

    def draw(self, seed: int) -> Events:
        """Background events in window and sidebands."""
        streams = np.random.SeedSequence(seed).spawn(2)
        rng = np.random.default_rng(streams[0])
        window, features = (int(each) >> 1 for each in streams[1].generate_state(2, np.uint64))
        beside = rng.choice(self.sideband_mass, rng.poisson(len(self.sideband_mass)))
        inside = self.mass_model.sample(int(rng.poisson(self.mass_model.expected().events)), seed=window)
        mass = rng.permutation(np.concatenate([beside, inside]))
        drawn = draw_at(self.generator, mass, seed=features)
        return Events(drawn.x, drawn.mass, self.columns, ids=_ids(np.arange(len(drawn))))


@dataclass(frozen=True, eq=False)
class FromSidebands:
    """A bootstrap of the sideband events beside features from the template in the window.

    The sidebands are real data, drawn with replacement, so the generator of every experiment learns what a template
    does not have; copies of an event share its number and so its fold. In the window, where data may hold a signal,
    features come from the template of the analysis. The validation regions are then as hard as those of the data, the
    window is as easy as the template.
    """

    generator: Sampler
    mass_model: MassModel
    sideband: Events

    def draw(self, seed: int) -> Events:
        """Background events in window and sidebands."""
        streams = np.random.SeedSequence(seed).spawn(2)
        rng = np.random.default_rng(streams[0])
        window, features = (int(each) >> 1 for each in streams[1].generate_state(2, np.uint64))
        rows = _with_replacement(self.sideband, float(len(self.sideband)), rng)
        inside = self.mass_model.sample(int(rng.poisson(self.mass_model.expected().events)), seed=window)
        drawn = draw_at(self.generator, inside, seed=features)
        return Events(
            np.concatenate([self.sideband.x[rows], drawn.x]),
            np.concatenate([self.sideband.mass[rows], drawn.mass]),
            self.sideband.columns,
            ids=np.concatenate([_ids(rows), _ids(np.arange(len(drawn)), of=2)]),
        )


@dataclass(frozen=True, eq=False)
class FromSimulation:
    """Events of a file of simulated background, with replacement: a bootstrap of as many as the data have.

    Experiments share events, the more the fewer there are in the file; `shared` is the mean share of the file that one
    of them uses. Copies of an event share its number and so its fold: a classifier that has seen one scores none.
    """

    pool: Events
    events: float

    def __post_init__(self) -> None:
        if not len(self.pool):
            raise CalibrationError("There are no events to draw pseudo-experiments from.")

    @property
    def shared(self) -> float:
        """Expected share of the pool that is in an experiment."""
        return float(-np.expm1(-self.events / len(self.pool)))

    def draw(self, seed: int) -> Events:
        """Background events in window and sidebands."""
        rows = _with_replacement(self.pool, self.events, np.random.default_rng(seed))
        return Events(self.pool.x[rows], self.pool.mass[rows], self.pool.columns, ids=_ids(rows))


def selected(events: Events, region: Region) -> Events:
    """Events of window and sidebands."""
    return events[region.signal(events.mass) | region.sideband(events.mass)]


def _with_replacement(pool: Events, events: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of a Poisson number of events, chosen by weight."""
    share = pool.weights.clip(min=0)
    return rng.choice(len(pool), rng.poisson(events), p=share / share.sum()).astype(np.int64)


def _ids(rows: NDArray[np.int64], *, of: int = 1) -> NDArray[np.uint64]:
    """Numbers of events (N, 3) that are rows (N,) of one source, which is told from others by its own number."""
    ids = np.full((len(rows), 3), of, dtype=np.uint64)
    ids[:, 2] = rows
    return ids
