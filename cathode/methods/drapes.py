"""Drapes: sideband events, noised a part of the way and denoised at masses of the window."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from cathode.errors import ConfigError
from cathode.methods.protocol import Background, Learned, Task
from cathode.methods.sigma import require_velocity
from cathode.methods.templated import Templated
from cathode.methods.transport import refuse_negative
from cathode.registry import METHODS
from cathode.runtime.stages import Stages
from cathode.template.drawing import Template, draw_at, train_stage

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator


def _diffusion() -> Any:
    from generators import create

    return create({"kind": "diffusion"})


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Drapes(Templated):
    """Data against partly diffused sideband events (Sengupta, Leigh, Raine, Klein & Golling, 2312.10130).

    A diffusion model of p(x | m) is learned in the sidebands. An event of theirs is noised up to `start` and denoised
    at a mass of the window: what is coarse of it is drawn anew there, what is fine stays.

    Attributes
    ----------
    generator : a flow along a velocity, such as diffusion.
    start : share of the way to pure noise; 1 generates from nothing, towards 0 events stay as they were.
    oversampling : events per data event of the target.
    reach : sideband events within this factor in mass of the target are taken.
    """

    kind: ClassVar[str] = "drapes"
    needs: ClassVar[frozenset[str]] = frozenset()

    generator: ConditionalGenerator = field(default_factory=_diffusion)
    start: float = 0.5
    oversampling: float = 4
    reach: float = 1.2

    def __post_init__(self) -> None:
        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")
        if not 0 < self.start <= 1:
            raise ConfigError(f"method drapes: start = {self.start} must lie above 0 and up to 1.")
        if not 1 < self.reach < math.inf:
            raise ConfigError(f"reach = {self.reach} must be a finite factor above 1.")

    @override
    def require(self, background: Background) -> None:
        """Refuse negative weights, and a generator without a velocity."""
        refuse_negative(background.events, self.kind)
        require_velocity(self.generator, self.kind)

    @override
    def learn(self, background: Background, stages: Stages) -> Learned:
        """The flow of the sidebands."""
        from generators.tabular.event_mixing import EventMixing
        from generators.tabular.partial_diffusion import PartialDiffusion

        events = background.events
        flow: Any = train_stage(self.generator, events, stages)
        near = EventMixing(reach=self.reach).fit(events.x, events.context, weights=events.weights, seed=1)
        return Learned(flow, PartialDiffusion(flow, near, self.start))

    @override
    def template(self, task: Task, learned: Learned, stages: Stages) -> Template:
        assert learned.sampler is not None
        masses = task.masses(self.template_events(len(task.target), task.background), stages.seed("mass"))
        return draw_at(learned.sampler, masses, seed=stages.seed("template"))

    @override
    def template_events(self, target: int, background: Background) -> int:
        """Events for so many of the target."""
        return round(self.oversampling * target)
