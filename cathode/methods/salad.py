"""SALAD: simulation, reweighted to the data by what a classifier finds between them in the sidebands."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from analysis.events import Events, FloatArray
from cathode.classifiers import WeakClassifier
from cathode.classifiers.cross_fitting import Sample, train_folds
from cathode.classifiers.mlp import Mlp
from cathode.errors import ConfigError
from cathode.methods.idealised import sample_inside
from cathode.methods.protocol import Background, Learned, Task
from cathode.methods.templated import Templated
from cathode.registry import METHODS
from cathode.runtime.run_folder import REWEIGHTING
from cathode.runtime.stages import Stages
from cathode.template.drawing import Template


@METHODS.register
@dataclass(frozen=True, kw_only=True, eq=False)
class Salad(Templated):
    """Data against reweighted simulation, the sample "simulation" (Andreassen, Nachman & Shih, 2001.05001).

    A classifier of data against simulation in the sidebands sees features and mass; its probability p gives the ratio
    of densities p/(1 − p), which is interpolated through the mass into the window and weights the simulation there. It
    corrects the mass spectrum of the simulation too. The weights go through the classifier of the window, the cut and
    the count; what they cost in events is seen in the error of the expectation.

    Attributes
    ----------
    ratio : the classifier of data against simulation; one that is smooth in the mass, such as a network.
    clip : ratios are cut to 1/clip … clip.
    """

    kind: ClassVar[str] = "salad"
    needs: ClassVar[frozenset[str]] = frozenset({"simulation"})

    ratio: WeakClassifier = field(
        default_factory=lambda: Mlp(members=3, hidden=100, epochs=50, batch_size=1024, best_epochs=5)
    )
    clip: float = 20.0

    def __post_init__(self) -> None:
        if not 1 < self.clip < math.inf:
            raise ConfigError(f"method salad: clip = {self.clip} must be a finite number above 1.")

    @override
    def require(self, background: Background) -> None:
        """Refuse events that are no feature vectors, and simulation with other columns or that misses the sidebands."""
        simulation_beside(background, self.kind)

    @override
    def learn(self, background: Background, stages: Stages) -> Learned:
        """The ratio of data to simulation in the sidebands."""
        simulation = background.observables.of_events(simulation_beside(background, self.kind))
        data = background.observables.of_events(background.events)
        (ratio,) = train_folds(
            self.ratio,
            _all_of(data),
            _all_of(simulation),
            seeds=(stages.seed("ratio"),),
            folder=stages.at(REWEIGHTING),
            store=stages.store,
            progress=stages.fraction("reweighting"),
        )
        return Learned(model=ratio)

    @override
    def template(self, task: Task, learned: Learned, stages: Stages) -> Template:
        there = sample_inside(task.background.auxiliary["simulation"], task, self.kind, "simulation")
        weights = there.weights * self.weights(learned.model, task.background.observables.of_events(there))
        return Template(there.x, there.mass, weights)

    def weights(self, ratio: Any, simulation: Events) -> NDArray[np.float64]:
        """Data over simulation, (N,), of events with the observables of the classifier."""
        p = np.asarray(ratio.score(with_mass(simulation)), np.float64)
        odds: NDArray[np.float64] = (p / np.maximum(1 - p, np.finfo(float).eps)).clip(1 / self.clip, self.clip)
        return odds

    @override
    def template_events(self, target: int, background: Background) -> int:
        """At most the simulation that is not in the sidebands."""
        return background.outside(background.auxiliary["simulation"])


def simulation_beside(background: Background, kind: str) -> Events:
    """The simulation in the sidebands.

    Raises
    ------
    ConfigError
        If it has other features than the data, is no table of features, or has no events there.
    """
    simulation, data = background.auxiliary["simulation"], background.events
    if simulation.columns != data.columns or simulation.x.shape[1:] != data.x.shape[1:]:
        raise ConfigError(
            f"method {kind}: the simulation has the features {', '.join(simulation.columns)}; the data have "
            f"{', '.join(data.columns)}. Read both with the same expressions."
        )
    there = simulation[background.inside(simulation.mass)]
    if len(there) == 0:
        raise ConfigError(
            f"method {kind}: none of the {len(simulation)} simulated events lies in the sidebands. Use a sample that "
            "covers window and sidebands."
        )
    return there


def with_mass(events: Events) -> FloatArray:
    """Features (N, D) with the mass beside them, (N, D + 1); a `ConfigError` for events of another shape."""
    if events.x.ndim != 2:
        raise ConfigError(
            "A ratio of data to simulation needs feature vectors; these events are constituents. Set "
            "observables: {kind: dijet_substructure}."
        )
    return np.column_stack([events.x, events.mass])


def _all_of(events: Events) -> Sample:
    """All events for one training: fold 1, where fold 0 alone is left out."""
    return Sample(with_mass(events), events.weights, np.ones(len(events), np.int64))
