"""SIGMA: one model of all data, whose velocity is interpolated across any window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from analysis.events import Events
from cathode.errors import ConfigError
from cathode.methods.protocol import Background, Learned, Task
from cathode.methods.templated import Templated
from cathode.registry import METHODS
from cathode.runtime.stages import Stages
from cathode.template.drawing import Template, draw_at, train_stage

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator


def _flow_matching() -> Any:
    from generators import create

    return create({"kind": "flow_matching"})


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Sigma(Templated):
    """Data against an interpolated velocity (Das, Finke, Hein, Kasieczka et al., 2410.20537).

    One conditional flow is trained on all data, the window included; there its velocity is replaced by a straight line
    between those at two masses outside, the anchors. So what a resonance does to the flow is left out, and one training
    serves every window of a scan that shares its events: with a store it is trained once. It is not blind, as the other
    methods are: the window enters the training, and no fold is held out of it; the classifiers are held out as always.

    Attributes
    ----------
    generator : a flow along a velocity, such as flow_matching.
    margin : distance of the anchors from the edges of the window, in its widths.
    oversampling : events drawn per data event of the target.
    """

    kind: ClassVar[str] = "sigma"
    #: The background is learned from the window too, and the result says so.
    blind: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset()

    generator: ConditionalGenerator = field(default_factory=_flow_matching)
    margin: float = 0.25
    oversampling: float = 4

    def __post_init__(self) -> None:
        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")
        if not 0 <= self.margin < 10:
            raise ConfigError(f"method sigma: margin = {self.margin} must lie between 0 and 10 widths of the window.")

    @override
    def require(self, background: Background) -> None:
        """Refuse a generator without a velocity."""
        require_velocity(self.generator, self.kind)

    @override
    def learn(self, background: Background, stages: Stages) -> Learned:
        """Nothing yet: the flow is trained on the target too."""
        return Learned()

    @override
    def template(self, task: Task, learned: Learned, stages: Stages) -> Template:
        from generators.tabular.interpolated import interpolated

        # In the order of their identities, so that the events of every window of a scan are the same.
        every = Events.concatenate([task.background.events, task.target.events]).in_order()
        flow: Any = train_stage(self.generator, every, stages)
        reach = [self.margin * (each.high - each.low) for each in task.intervals]
        anchors = [(each.low - far, each.high + far) for each, far in zip(task.intervals, reach, strict=True)]
        masses = task.masses(self.template_events(len(task.target), task.background), stages.seed("mass"))
        return draw_at(interpolated(flow, _joined(anchors)), masses, seed=stages.seed("template"))

    @override
    def template_events(self, target: int, background: Background) -> int:
        """Events drawn for so many of the target."""
        return round(self.oversampling * target)


def _joined(intervals: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same intervals, of which those that overlap meet in the middle of what they share."""
    out = sorted(intervals)
    for place in range(1, len(out)):
        (low, high), (next_low, next_high) = out[place - 1], out[place]
        if next_low <= high:
            middle = 0.5 * (next_low + high)
            out[place - 1], out[place] = (low, middle - 1e-6 * middle), (middle, next_high)
    return out


def require_velocity(generator: Any, kind: str) -> None:
    """Refuse a generator that is no flow along a velocity."""
    from generators.tabular.base import TabularGenerator
    from generators.tabular.continuous import ContinuousDensity

    if not isinstance(generator, TabularGenerator) or not isinstance(generator.build((2,), 1), ContinuousDensity):
        name = getattr(generator, "kind", type(generator).__name__)
        raise ConfigError(
            f"method {kind} needs a flow along a velocity; '{name}' has none. Use flow_matching or diffusion."
        )
