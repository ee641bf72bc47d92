"""CURTAINs in its maximum-likelihood form: sideband events, taken into the window by a learned map."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from cathode.errors import ConfigError
from cathode.methods.lacathode import require_followed
from cathode.methods.protocol import Background, Learned, Task
from cathode.methods.templated import Templated
from cathode.methods.training import trained_once
from cathode.methods.transport import TRANSPORT, AlongFlow, moved_events, refuse_negative
from cathode.registry import METHODS, default_generator
from cathode.runtime.specification import specification
from cathode.runtime.stages import Stages
from cathode.template.drawing import Template, train_stage

if TYPE_CHECKING:
    from generators.protocols import DensityGenerator


def default_map() -> Any:
    """What moves events unless something else is named: fast in both directions."""
    from generators import create

    return create({"kind": "coupling_spline", "training": {"steps": 1200}})


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Curtains(Templated):
    """Data against transported sideband events (Raine et al., 2203.09470; Sengupta et al., 2305.04646).

    A density of the sidebands is learned first. Then a map T(x; m, m′) is learned by the likelihood of transported
    events under that density at the new mass, between random pairs of sideband events. It is made of one flow, so that
    it is the identity where both masses are equal: see `generators.tabular.pair_likelihood`.

    Attributes
    ----------
    generator : learns the density p(x | m) of the sidebands.
    map : the flow of the map; it must have the preprocessing of the generator.
    oversampling : transported events per data event of the target; they repeat sideband events at other masses.
    reach : sideband events within this factor in mass of the target are transported.
    """

    kind: ClassVar[str] = "curtains"
    needs: ClassVar[frozenset[str]] = frozenset()

    generator: DensityGenerator = field(default_factory=default_generator)
    map: Any = field(default_factory=default_map)
    oversampling: float = 4
    reach: float = 1.2

    def __post_init__(self) -> None:
        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")
        if not 1 < self.reach < math.inf:
            raise ConfigError(f"reach = {self.reach} must be a finite factor above 1.")
        if isinstance(self.map, dict):
            from generators import create

            object.__setattr__(self, "map", create(self.map))

    @override
    def require(self, background: Background) -> None:
        """Refuse negative weights, and flows that can not be followed both ways."""
        refuse_negative(background.events, self.kind)
        for flow in (self.generator, self.map):
            require_followed(flow, self.kind)

    @override
    def learn(self, background: Background, stages: Stages) -> Learned:
        """The density of the sidebands, and the map between masses."""
        from generators.tabular.pair_likelihood import fit_pairs

        events = background.events
        base: Any = train_stage(self.generator, events, stages)
        learned = events.x, events.context, events.weights
        seed = stages.seed("map")
        flow = trained_once(
            stages,
            TRANSPORT,
            self.map,
            *learned,
            seed=seed,
            also=["pairs", str(stages.seed("generator")), json.dumps(specification(self.generator), sort_keys=True)],
            fit=lambda: fit_pairs(
                copy.deepcopy(self.map),
                base,
                events.x,
                events.context,
                weights=events.weights,
                seed=seed,
                monitor=stages.epochs("map"),
            ),
        )
        return Learned(base, model=AlongFlow(flow))

    @override
    def template(self, task: Task, learned: Learned, stages: Stages) -> Template:
        masses = task.masses(self.template_events(len(task.target), task.background), stages.seed("mass"))
        return moved_events(
            learned.model, task.background.events, masses, reach=self.reach, seed=stages.seed("template")
        )

    @override
    def template_events(self, target: int, background: Background) -> int:
        """Transported events for so many of the target."""
        return round(self.oversampling * target)
