"""What methods with a template share: the classifiers see it as data are seen, copies of an event stay in one fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from cathode.methods.protocol import Background, Learned, Task
from cathode.methods.templated import Templated
from cathode.observables import AsRead
from cathode.region import Interval
from cathode.runtime.run_folder import RunFolder
from cathode.runtime.seeds import Seeds
from cathode.runtime.stages import Stages
from cathode.template.drawing import Template

from ..toys import REGION, Discriminant, toy_events

WINDOW = (Interval(REGION.low, REGION.high),)


@dataclass(frozen=True, kw_only=True, eq=False)
class Copied(Templated):
    """Every sideband event twice, with half of its weight."""

    @override
    def template(self, task: Task, learned: Learned, stages: Stages) -> Template:
        beside = task.background.events
        rows = np.repeat(np.arange(len(beside)), 2)
        return Template(beside.x[rows], beside.mass[rows], np.full(len(rows), 0.5), origin=rows)

    @override
    def require(self, background: Background) -> None:
        """Nothing."""

    @override
    def learn(self, background: Background, stages: Stages) -> Learned:
        return Learned()

    @override
    def template_events(self, target: int) -> int:
        return 2 * target


def test_copies_of_an_event_are_in_one_fold_and_weights_come_along() -> None:
    Discriminant.scored.clear()
    events = toy_events(6_000, seed=3)
    beside, inside = events[REGION.sideband(events.mass)], events[REGION.signal(events.mass)]
    task = Task(
        Background(beside, AsRead()),
        AsRead().observed(inside),
        lambda n, seed: np.zeros(n),
        3,
        WINDOW,
    )
    method = Copied(classifier=Discriminant(remember=True))
    fitted = method.fit(task, Learned(), Stages(Seeds(1), RunFolder(None)))
    fold = fitted.reference.fold.reshape(-1, 2)
    assert (fold[:, 0] == fold[:, 1]).all()
    assert set(np.unique(fold)) == {0, 1, 2}
    assert (fitted.reference.weights == 0.5).all()
    assert all(seen == 0 for _, seen in Discriminant.scored)
