"""All modules that take part in a training, whether they are parts of the model or of an objective alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from generators.training.members import Members
from generators.training.phases import Phase
from generators.training.stopping import State


class Everything:
    """The model and the objectives of all phases: their modes, their gradients and their states.

    A module that is not training at the start, such as a teacher, stays so.
    """

    def __init__(self, model: nn.Module, phases: Sequence[Phase]) -> None:
        self.model, self.objectives = model, [phase.objective for phase in phases]
        self.modules = [module for owner in self.objectives for module in owner.modules() if module.training]
        moved = {id(parameter): parameter for phase in phases for parameter in phase.parameters}
        # With one phase nothing has to be switched.
        self.moved = list(moved.values()) if len(phases) > 1 else []

    def learning(self) -> None:
        """Everything that is trained in the mode of training."""
        self._set(True)

    def evaluating(self) -> None:
        """Everything in the mode of evaluation."""
        self._set(False)

    @contextmanager
    def moving(self, phase: Phase) -> Iterator[None]:
        """Inside of the block only what the phase moves needs a gradient, of all that is moved by any."""
        if not self.moved:
            yield
            return
        own = {id(parameter) for parameter in phase.parameters}
        for parameter in self.moved:
            parameter.requires_grad_(id(parameter) in own)
        try:
            yield
        finally:
            for parameter in self.moved:
                parameter.requires_grad_(True)

    def buffers(self) -> list[Tensor]:
        """Every buffer."""
        found = {id(buffer): buffer for owner in (self.model, *self.objectives) for buffer in owner.buffers()}
        return list(found.values())

    def shapes(self) -> list[dict[str, list[int]]]:
        """Of all tensors by their names."""
        return [
            {key: list(value.shape) for key, value in owner.state_dict().items() if isinstance(value, Tensor)}
            for owner in (self.model, *self.objectives)
        ]

    def to_tree(self) -> dict[str, Any]:
        """Content for a checkpoint, with the buffers that no state has."""
        return {
            "model": dict(self.model.state_dict()),
            "objectives": [dict(objective.state_dict()) for objective in self.objectives],
            "passing": [dict(_passing(owner)) for owner in (self.model, *self.objectives)],
        }

    def restore(self, tree: dict[str, Any]) -> None:
        """Take the content of a checkpoint."""
        self.model.load_state_dict(tree["model"])
        for objective, state in zip(self.objectives, tree["objectives"], strict=True):
            objective.load_state_dict(state)
        with torch.no_grad():
            for owner, values in zip((self.model, *self.objectives), tree["passing"], strict=True):
                for name, buffer in _passing(owner):
                    buffer.copy_(values[name])

    def _set(self, training: bool) -> None:
        self.model.train(training)
        for module in self.modules:
            module.training = training


def _passing(owner: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Buffers that are not part of the state."""
    known = owner.state_dict()
    for name, buffer in owner.named_buffers():
        if name not in known:
            yield name, buffer


def states_of(kept: nn.Module) -> list[State]:
    """The state of a network, or of every one of several."""
    return kept.states() if isinstance(kept, Members) else [kept.state_dict()]


def clip(parameters: Sequence[nn.Parameter], norm: float, *, members: bool) -> None:
    """Bound the norm of the gradient, that of every member on its own."""
    if not members:
        nn.utils.clip_grad_norm_(parameters, norm, foreach=True)
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
    factor = (norm / (norms + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of all parameters."""
    for group in optimiser.param_groups:
        group["lr"] = rate
