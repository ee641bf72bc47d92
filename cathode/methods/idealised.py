"""The idealised anomaly detector: data against true background, the bound of every template."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from analysis.errors import TooFewEventsError
from analysis.events import Events
from analysis.repeated import repeated_events
from cathode.errors import ConfigError
from cathode.methods.protocol import Background, Learned, Task
from cathode.methods.templated import Templated
from cathode.registry import METHODS
from cathode.runtime.stages import Stages
from cathode.template.drawing import Template


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Idealised(Templated):
    """Data against independent true background, the sample "background" (Hallin et al., 2109.00546).

    No search can have it; it is what a template would give that is exactly right and as large as this sample. An event
    of the sample is used once, and none of it may be among the data.
    """

    kind: ClassVar[str] = "idealised"
    needs: ClassVar[frozenset[str]] = frozenset({"background"})

    @override
    def require(self, background: Background) -> None:
        """Refuse a sample that shares events with the data, or holds one twice."""
        refuse_shared(background.auxiliary["background"], background.events, self.kind)

    @override
    def learn(self, background: Background, stages: Stages) -> Learned:
        """Nothing: the background is known."""
        return Learned()

    @override
    def template(self, task: Task, learned: Learned, stages: Stages) -> Template:
        sample = task.background.auxiliary["background"]
        refuse_shared(sample, task.target.events, self.kind)
        there = sample_inside(sample, task, self.kind, "background")
        return Template(there.x, there.mass, there.weights)

    @override
    def template_events(self, target: int, background: Background) -> int:
        """At most the sample that is not in the sidebands."""
        return background.outside(background.auxiliary["background"])


def sample_inside(sample: Events, task: Task, kind: str, name: str) -> Events:
    """The events of an auxiliary sample that lie in the target.

    Raises
    ------
    TooFewEventsError
        If a fold would be left without any.
    """
    there = sample[task.inside(sample.mass)]
    if len(there) < task.folds:
        edges = ", ".join(f"{each.low:g}–{each.high:g} GeV" for each in task.intervals)
        raise TooFewEventsError(
            f"method {kind}: the sample '{name}' has {len(there)} of {len(sample)} events in {edges}, for {task.folds} "
            "folds. Use a sample that covers window and sidebands."
        )
    return there


def refuse_shared(sample: Events, data: Events, kind: str) -> None:
    """Refuse a sample that holds events of the data, or an event twice."""
    alike = (dataclasses.replace(e, truth=None, sources=()) for e in (sample, data))
    both = [(e.x, e.mass) for e in alike]
    together = Events(
        x=np.concatenate([x for x, _ in both]), mass=np.concatenate([m for _, m in both]), columns=sample.columns
    )
    found = repeated_events(together)
    if found is not None and found.first < len(sample):
        other = "among the data" if found.second >= len(sample) else "in the sample itself"
        raise ConfigError(
            f"method {kind}: event {found.first} of the sample 'background' is once more {other}; {found.events} "
            "events repeat others in mass and all features. Use a sample that is independent of the data."
        )
