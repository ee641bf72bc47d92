"""What is stepped in a training: one objective of a flow, the two of an adversarial network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from generators.errors import PhaseError
from generators.training.optimisers import Optimiser


@dataclass(frozen=True)
class Phase:
    """One objective with the parameters that it moves.

    `objective(x, context)` returns the loss of every event, (N,); the loop applies the event weights, so that no model
    can forget them. A flow has one phase, an adversarial network two, which share modules but step different
    `parameters`; those of other phases need no gradient meanwhile.

    `optimiser` is that of the settings of the training if there is none. In every step of the training a phase makes
    `repeat` steps of its own, each on another batch; the phases of a step end with the same batch. It begins after
    `start` steps, and its schedule with it. `compile` says whether torch may compile the objective; one that takes
    derivatives itself, such as a gradient penalty, can not be.
    """

    name: str
    objective: nn.Module
    parameters: Sequence[nn.Parameter]
    optimiser: Optimiser | None = None
    repeat: int = 1
    start: int = 0
    compile: bool = True

    def __post_init__(self) -> None:
        if self.repeat < 1 or self.start < 0:
            raise PhaseError(f"Phase '{self.name}': repeat = {self.repeat} must be at least 1, start = {self.start} 0.")
        if not self.parameters:
            raise PhaseError(f"Phase '{self.name}' has no parameters, so it would learn nothing. Name some.")
        own = {id(parameter) for parameter in self.objective.parameters()}
        foreign = sum(id(parameter) not in own for parameter in self.parameters)
        if foreign:
            raise PhaseError(
                f"Phase '{self.name}': {foreign} of its {len(self.parameters)} parameters belong to no module of its "
                "objective, whose loss can not depend on them. Make the modules attributes of the objective."
            )
        fixed = sum(not parameter.requires_grad for parameter in self.parameters)
        if fixed:
            raise PhaseError(
                f"Phase '{self.name}': {fixed} of its {len(self.parameters)} parameters need no gradient. Leave them "
                "out, as `trainable` does."
            )

    def description(self) -> dict[str, Any]:
        """What of it decides a training beside the objective, as JSON types."""
        optimiser = None if self.optimiser is None else self.optimiser.description()
        return {"name": self.name, "optimiser": optimiser, "repeat": self.repeat, "start": self.start}


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """Every parameter of a module that needs a gradient."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def checked(phases: Sequence[Phase]) -> Sequence[Phase]:
    """The same phases, of which there is one at least and which have different names.

    Raises
    ------
    PhaseError
        If it is not so.
    """
    names = [phase.name for phase in phases]
    if len(set(names)) != len(names) or not names:
        raise PhaseError(f"A training needs phases of different names; these are {names}.")
    return phases
