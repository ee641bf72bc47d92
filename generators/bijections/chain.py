"""Bijections one after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from generators.bijections.base import FittedBijection
from generators.bijections.noise import NoisyBijection
from generators.errors import HyperparameterError
from generators.registry import create, register


@register
@dataclass(eq=False, repr=False)
class Chain(NoisyBijection):
    """The composition of `bijections`, first to last; each is fitted on what the ones before it make of the data.

    A step is a bijection, its kind, or a mapping of kind and hyperparameters: `Chain(["logit", "standardise"])`. Maps
    that need values as they were measured come first ("dequantise", "atoms", "periodic", often under "columns"), then
    what gives every column a standard shape ("quantile_normal", "standardise"), then "whiten".
    """

    kind: ClassVar[str] = "chain"

    bijections: Iterable[FittedBijection | str | Mapping[str, Any]]

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = [as_bijection(spec, "bijections of Chain") for spec in self.bijections]
        if not steps:
            raise HyperparameterError("bijections of Chain is empty; name at least one step.")
        self.bijections = [step.specification() for step in steps]
        self.steps = nn.ModuleList(steps)

    @property
    @override
    def discrete_columns(self) -> list[int]:
        return sorted({column for step in self._steps() for column in step.discrete_columns})

    def _learn_noisy(self, x: Tensor, weights: Tensor, context: Tensor | None, noise: Tensor) -> dict[str, Tensor]:
        *first, last = self._steps()
        for step in first:
            x, _ = step.fit(x, weights, context, noise).forward(x, context, noise)
        last.fit(x, weights, context, noise)
        return {}

    def _spread(self, x: Tensor, context: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        total = torch.zeros(x.shape[0], dtype=x.dtype, device=x.device)
        for step in self._steps():
            x, log_det = step.forward(x, context, noise)
            total = total + log_det
        return x, total

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        for step in reversed(self._steps()):
            z = step.inverse(z, context)
        return z

    def _steps(self) -> list[FittedBijection]:
        return [step for step in self.steps if isinstance(step, FittedBijection)]


def as_bijection(spec: FittedBijection | str | Mapping[str, Any], place: str) -> FittedBijection:
    """The bijection that `spec`, given at `place`, stands for.

    Raises
    ------
    HyperparameterError
        If it is a generator.
    """
    if isinstance(spec, FittedBijection):
        return spec
    step = create({"kind": spec} if isinstance(spec, str) else spec)
    if not isinstance(step, FittedBijection):
        raise HyperparameterError(f"{place}: '{step.kind}' is a generator, not a bijection.")
    return step
