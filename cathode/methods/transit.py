"""TRANSIT: sideband events, taken into the window by a map that a critic can not tell from none."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from typing_extensions import override

from cathode.errors import ConfigError
from cathode.methods.lacathode import require_followed
from cathode.methods.protocol import Background, Learned, Task
from cathode.methods.templated import Templated
from cathode.methods.training import trained_once
from cathode.methods.transport import TRANSPORT, AlongFlow, moved_events, refuse_negative
from cathode.registry import METHODS
from cathode.runtime.stages import Stages
from cathode.template.drawing import Template


def default_map() -> Any:
    """What moves events unless something else is named: fast in both directions."""
    from generators import create

    training = {"steps": 1200, "batch_size": 1024, "learning_rate": 2e-3, "ema_decay": 0.99}
    return create({"kind": "coupling_spline", "blocks": 4, "hidden": 64, "training": training})


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Transit(Templated):
    """Data against sideband events moved by an adversarial map (Oleksiyuk, Voloshynovskiy & Golling, 2503.04342).

    A map T(x; m, m′) is learned against a critic, which tells moved sideband events from others at the mass they were
    moved to; of all maps that it takes for true, one is found that moves events little, so that what does not follow
    the mass stays as it is. No density is learned. Here the map is made of one flow, so that it is the identity where
    both masses are equal and the way back leads home: see `generators.tabular.pair_adversary`.

    Attributes
    ----------
    map : the flow of the map.
    closeness : what the squared length of the way costs, in standard deviations, beside the loss by the critic.
    critic_steps : steps of the critic for every one of the map.
    oversampling : transported events per data event of the target; they repeat sideband events at other masses.
    reach : sideband events within this factor in mass of the target are transported.
    """

    kind: ClassVar[str] = "transit"
    needs: ClassVar[frozenset[str]] = frozenset()

    map: Any = field(default_factory=default_map)
    closeness: float = 0.01
    critic_steps: int = 3
    oversampling: float = 4
    reach: float = 1.2

    def __post_init__(self) -> None:
        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")
        if not 1 < self.reach < math.inf:
            raise ConfigError(f"reach = {self.reach} must be a finite factor above 1.")
        if not 0 <= self.closeness < math.inf:
            raise ConfigError(f"method transit: closeness = {self.closeness} must be a number that is not negative.")
        if self.critic_steps < 1:
            raise ConfigError(f"method transit: critic_steps = {self.critic_steps} must be at least 1.")
        if isinstance(self.map, dict):
            from generators import create

            object.__setattr__(self, "map", create(self.map))

    @override
    def require(self, background: Background) -> None:
        """Refuse negative weights, and a flow that can not be followed both ways."""
        refuse_negative(background.events, self.kind)
        require_followed(self.map, self.kind)

    @override
    def learn(self, background: Background, stages: Stages) -> Learned:
        """The map between masses."""
        from generators.tabular.pair_adversary import fit_pairs_against_critic

        events, seed = background.events, stages.seed("map")
        flow = trained_once(
            stages,
            TRANSPORT,
            self.map,
            events.x,
            events.context,
            events.weights,
            seed=seed,
            also=["pairs against a critic", repr(self.closeness), repr(self.critic_steps)],
            fit=lambda: fit_pairs_against_critic(
                copy.deepcopy(self.map),
                events.x,
                events.context,
                closeness=self.closeness,
                critic_steps=self.critic_steps,
                weights=events.weights,
                seed=seed,
                monitor=stages.epochs("map"),
            ),
        )
        return Learned(flow, model=AlongFlow(flow))

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
