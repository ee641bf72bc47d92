"""FETA: simulation, taken to the data by a flow that is learned in the sidebands."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from analysis.events import FloatArray
from cathode.errors import ConfigError
from cathode.methods.curtains import default_map
from cathode.methods.idealised import sample_inside
from cathode.methods.lacathode import latents, require_followed
from cathode.methods.protocol import Background, Learned, Task
from cathode.methods.salad import simulation_beside
from cathode.methods.templated import Templated
from cathode.methods.transport import TRANSPORT
from cathode.registry import METHODS, default_generator
from cathode.runtime.stages import Stages
from cathode.template.drawing import Template, train_generator, train_stage

if TYPE_CHECKING:
    from generators.protocols import ConditionalGenerator


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Feta(Templated):
    """Data against transported simulation, the sample "simulation" (Golling, Klein, Mastandrea & Nachman, 2212.11285).

    A flow f learns the simulation of the sidebands, so that its noise is normal. The data, taken through f, are not
    quite normal; a second flow g learns their density there. T = f⁻¹ ∘ g⁻¹ ∘ f takes simulation to data, and its
    likelihood is that of the data with the first flow as base. It is interpolated through the mass into the window,
    where simulated events get masses of the background.

    Attributes
    ----------
    generator : the flow of the simulation, f.
    map : the flow from simulation to data, g.
    oversampling : transported events per data event of the target; they repeat simulated events.
    """

    kind: ClassVar[str] = "feta"
    needs: ClassVar[frozenset[str]] = frozenset({"simulation"})

    generator: ConditionalGenerator = field(default_factory=default_generator)
    map: Any = field(default_factory=default_map)
    oversampling: float = 4

    def __post_init__(self) -> None:
        if self.oversampling <= 0:
            raise ConfigError(f"oversampling = {self.oversampling} must be positive.")
        if isinstance(self.map, dict):
            from generators import create

            object.__setattr__(self, "map", create(self.map))

    @override
    def require(self, background: Background) -> None:
        """Refuse simulation with other columns or that misses the sidebands, and flows that are followed one way."""
        simulation_beside(background, self.kind)
        for flow in (self.generator, self.map):
            require_followed(flow, self.kind)

    @override
    def learn(self, background: Background, stages: Stages) -> Learned:
        """The flow of the simulation, and that of the data in its latent space."""
        simulated = train_stage(self.generator, simulation_beside(background, self.kind), stages)
        data = dataclasses.replace(background.events, x=latents(simulated, background.events))
        to_data = train_generator(
            self.map,
            data,
            seed=stages.seed("map"),
            folder=stages.at(TRANSPORT),
            store=stages.store,
            monitor=stages.epochs("map"),
        )
        return Learned(simulated, model=FromSimulation(simulated, to_data))

    @override
    def template(self, task: Task, learned: Learned, stages: Stages) -> Template:
        there = sample_inside(task.background.auxiliary["simulation"], task, self.kind, "simulation")
        masses = task.masses(self.template_events(len(task.target), task.background), stages.seed("mass"))
        rng = np.random.default_rng(stages.seed("template"))
        chance = there.weights.clip(min=0)
        chosen = rng.choice(len(there), size=len(masses), p=chance / chance.sum())
        # In the order of the masses on both sides, so that an event is moved as little as can be.
        chosen = chosen[np.argsort(there.mass[chosen], kind="stable")]
        masses = np.sort(masses)
        x = learned.model.transport(there.x[chosen], there.mass[chosen], masses)
        finite = np.isfinite(x).all(axis=1)
        return Template(np.asarray(x[finite], np.float32), masses[finite], origin=chosen[finite])

    @override
    def template_events(self, target: int, background: Background) -> int:
        """Transported events for so many of the target."""
        return round(self.oversampling * target)


@dataclass(frozen=True, eq=False)
class FromSimulation:
    """From simulation to data: `simulated` is the flow f of the simulation, `to_data` that of the data behind it, g."""

    simulated: Any
    to_data: Any

    def transport(self, x: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
        """Simulated events x (N, D) of masses `start` (N,) as data at masses `end` (N,)."""
        from generators.tabular.transport import decoded, encoded

        at, to = np.asarray(start)[:, None], np.asarray(end)[:, None]
        return decoded(self.simulated, decoded(self.to_data, encoded(self.simulated, x, at), to), to)

    def back(self, x: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
        """Data x (N, D) of masses `start` (N,) as simulation at masses `end` (N,)."""
        from generators.tabular.transport import decoded, encoded

        at, to = np.asarray(start)[:, None], np.asarray(end)[:, None]
        return decoded(self.simulated, encoded(self.to_data, encoded(self.simulated, x, at), at), to)
