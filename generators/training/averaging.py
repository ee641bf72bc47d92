"""Exponential moving averages of the weights of chosen modules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

#: What the weights of the first step have at most in the average at the end of a training.
_FIRST = 0.01


def within(decay: float, steps: int) -> float:
    """The decay of an average over a training of so many steps, in which its beginning is forgotten.

    A longer average than the training would hold weights that have learned nothing: a third of it after 1,000 steps
    with a decay of 0.999.
    """
    return min(decay, math.pow(_FIRST, 1 / max(1, steps)))


class Average:
    """An average of the weights of `modules` over the steps of a training, the first of which it begins with.

    Each step leaves the part `decay` of what was averaged before.
    """

    def __init__(self, modules: Sequence[nn.Module], decay: float) -> None:
        found = {id(parameter): parameter for module in modules for parameter in module.parameters()}
        self.parameters, self.decay = list(found.values()), decay
        self.values: list[Tensor] = []

    def update(self) -> None:
        """Take what the weights are now into the average."""
        with torch.no_grad():
            if not self.values:
                self.values = [parameter.detach().clone() for parameter in self.parameters]
            else:
                torch._foreach_lerp_(self.values, tuple(self.parameters), 1 - self.decay)

    @contextmanager
    def applied(self, buffers: Sequence[Tensor]) -> Iterator[None]:
        """Let the modules have the average for weights inside of the block; afterwards `buffers` are as before too."""
        changed = [*self.parameters, *buffers]
        before = [tensor.detach().clone() for tensor in changed]
        with torch.no_grad():
            for parameter, value in zip(self.parameters, self.values, strict=False):
                parameter.copy_(value)
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, value in zip(changed, before, strict=True):
                    tensor.copy_(value)

    def to_tree(self) -> dict[str, Any]:
        """Content for a checkpoint."""
        return {"values": self.values}

    def restore(self, tree: dict[str, Any]) -> None:
        """Take the content of a checkpoint."""
        self.values = [value.to(parameter) for value, parameter in zip(tree["values"], self.parameters, strict=False)]
