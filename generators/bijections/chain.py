"""Bijections one after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from generators.bijections.frame import FittedBijection
from generators.errors import HyperparameterError
from generators.registry import create, register


@register
@dataclass(eq=False, repr=False)
class Chain(FittedBijection):
    """The composition of `bijections`, first to last; each is fitted on what the ones before it make of the data.

    A step is a bijection, its kind, or a mapping of kind and hyperparameters: `Chain(["logit", "standardise"])`.
    """

    kind: ClassVar[str] = "chain"

    bijections: Iterable[FittedBijection | str | Mapping[str, Any]]

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = [_step(spec) for spec in self.bijections]
        if not steps:
            raise HyperparameterError("bijections of Chain is empty; name at least one step.")
        self.bijections = [step.specification() for step in steps]
        self.steps = nn.ModuleList(steps)

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        for step in self._steps():
            x, _ = step.fit(x, weights, context).forward(x, context)
        return {}

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        total = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for step in self._steps():
            x, log_det = step.forward(x, context)
            total = total + log_det
        return x, total

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        for step in reversed(self._steps()):
            z = step.inverse(z, context)
        return z

    def _steps(self) -> list[FittedBijection]:
        return [step for step in self.steps if isinstance(step, FittedBijection)]


def _step(spec: FittedBijection | str | Mapping[str, Any]) -> FittedBijection:
    if isinstance(spec, FittedBijection):
        return spec
    step = create({"kind": spec} if isinstance(spec, str) else spec)
    if not isinstance(step, FittedBijection):
        raise HyperparameterError(f"bijections of Chain: '{step.kind}' is a generator, not a bijection.")
    return step
