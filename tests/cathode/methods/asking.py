"""Questions about the toy world, asked of a method without a search around it."""

from __future__ import annotations

from typing import Any

from analysis.events import Events
from cathode.methods.protocol import Background, Fitted, Learned, Method, Task
from cathode.observables import AsRead
from cathode.region import Interval
from cathode.runtime.run_folder import RunFolder
from cathode.runtime.seeds import Seeds
from cathode.runtime.stages import Stages
from cathode.validation.held_out import without_truth

from ..toys import REGION, TrueMass


def background(events: Events, auxiliary: dict[str, Events] | None = None) -> Background:
    """The sidebands of the toy window."""
    return Background(events[REGION.sideband(events.mass)], AsRead(), auxiliary or {}, REGION.sideband)


def task(events: Events, auxiliary: dict[str, Events] | None = None, *, folds: int = 2) -> Task:
    """The toy window."""
    beside = background(events, auxiliary)
    mass_model = TrueMass().fit(beside.events.mass, REGION, weights=beside.events.weights)
    return Task(
        background=beside,
        target=without_truth(AsRead().observed(events[REGION.signal(events.mass)])),
        masses=lambda n, seed: mass_model.sample(n, seed=seed),
        folds=folds,
        intervals=(Interval(REGION.low, REGION.high),),
    )


def stages(seed: int = 1, folder: RunFolder | None = None) -> Stages:
    return Stages(Seeds(seed), folder or RunFolder(None))


def answer(method: Method, asked: Task, *, seed: int = 1) -> tuple[Learned, Any]:
    """What a method learns beside the window, and what it makes of it."""
    learned = method.learn(asked.background, stages(seed))
    fitted: Fitted = method.fit(asked, learned, stages(seed))
    return learned, fitted
