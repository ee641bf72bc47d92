"""Validation regions, each with a generator that never saw it.

A generator that leaves out every region at once has lost half of its sidebands, and is worse than that of the window.
So the regions are dealt out: each generator leaves out its own and learns from all others.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analysis.events import BoolArray, Events, FloatArray
from cathode.methods.protocol import Background, Task
from cathode.observables import Observables, Observed
from cathode.region import Interval, Region
from cathode.runtime.stages import Stages


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A question about some validation regions, and where in the sideband its events stand.

    `learned_from` (B,) and `asked` (D,) are rows of the sideband: of the background that may be learned from, and of
    the target.
    """

    task: Task
    regions: tuple[Interval, ...]
    learned_from: NDArray[np.int64]
    asked: NDArray[np.int64]


def outside(mass: FloatArray, region: Region, regions: Sequence[Interval]) -> BoolArray:
    """Which masses (N,) lie in a sideband and in no validation region."""
    return region.sideband(mass) & ~_inside(mass, regions)


def without_validation_regions(events: Events, region: Region, regions: Sequence[Interval]) -> Events:
    """The sideband events outside of the validation regions: what the background of the test may be learned from."""
    return events[outside(events.mass, region, regions)]


def without_truth(observed: Observed) -> Observed:
    """The same events; what they truly are is nobody's business who searches in them."""
    return Observed(*(dataclasses.replace(e, truth=None) for e in (observed.events, observed.observables)))


def held_out(
    sideband: Events,
    region: Region,
    regions: Sequence[Interval],
    *,
    observables: Observables,
    folds: int,
    auxiliary: Mapping[str, Events] | None = None,
    limit: int | None = None,
    members: int | None = None,
    seed: int,
) -> HeldOut:
    """The question of the search, asked of at most `limit` events of these regions; `seed` draws them.

    The gap across which the background is interpolated is wider than that of the search, so the test is harder.
    """
    inside = np.flatnonzero(_inside(sideband.mass, regions))
    asked = np.sort(np.random.default_rng(seed).permutation(inside)[:limit])
    learned_from = np.flatnonzero(outside(sideband.mass, region, regions))
    data = sideband[asked]
    task = Task(
        background=Background(
            sideband[learned_from], observables, auxiliary or {}, partial(outside, region=region, regions=regions)
        ),
        target=without_truth(observables.observed(data)),
        masses=lambda n, seed: np.resize(data.mass, n),
        folds=folds,
        intervals=tuple(regions),
        members=members,
    )
    return HeldOut(task, tuple(regions), learned_from, asked)


def beside_window(stages: Stages, repetition: int = 0, generator: int = 0) -> Stages:
    """Seeds and places of the sideband closure test, so that it shares none with the window."""
    test = "strip test" if repetition == 0 else f"strip test, repetition {repetition}"
    own = "" if generator == 0 else f", generator {generator}"
    # Names from before validation regions were tasks; they decide seeds, so they stay.
    numbers = {"events": "0", "template": "1", "folds": "2"}

    def purpose(name: str) -> str:
        fold = re.fullmatch(r"classifier/(\d+)", name)
        if fold is not None:
            return f"{test}{own}/{3 + int(fold.group(1))}"
        if name == "classifier":
            return "validation"
        return f"{test}{own}/{numbers[name]}" if name in numbers else f"strip {name}{own}"

    def place(name: str) -> str:
        number = "" if repetition == 0 or name != "classifiers" else f"_{repetition}"
        number += "" if generator == 0 else f"_of_{generator}"
        return f"validation/{'generator' if name == 'template' else name}{number}"

    def label(name: str) -> str:
        return "validation" if name == "classifier" else f"validation {name}{own}"

    return dataclasses.replace(stages, purpose=purpose, place=place, label=label)


def _inside(mass: FloatArray, regions: Sequence[Interval]) -> BoolArray:
    inside: BoolArray = np.any([interval(mass) for interval in regions], axis=0)
    return inside
