"""Columns that exist only where a discrete one is not zero, such as impact parameters of charged particles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from generators.bijections.chain import as_bijection
from generators.bijections.joint_levels import JointLevels
from generators.bijections.noise import NoisyBijection
from generators.errors import GeneratorError, HyperparameterError, ShapeError
from generators.registry import register

#: Noise is kept so far from 0 and 1, where a normal quantile is infinite.
_EDGE = 2.0**-30


@register
@dataclass(eq=False, repr=False)
class Gated(NoisyBijection):
    """The first `levels` columns as one of their combinations in the training, as "joint_levels"; the others by these.

    Where column `gate` is zero the others are zero, and become normal noise that means nothing; elsewhere the bijection
    `present`, a list of them for a chain, acts on them and is fitted to those rows alone. So a neutral particle never
    has an impact parameter, and a charged one never lacks it. A row that has one without the other has no density.

    >>> x = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 2.0], [1.0, 5.0]])
    >>> fitted = Gated(levels=1, present="standardise").fit(x)
    >>> fitted.inverse(torch.tensor([[-2.0, 0.7], [2.0, 0.0]])).tolist()
    [[0.0, 0.0], [1.0, 3.5]]
    """

    kind: ClassVar[str] = "gated"
    learned: ClassVar[tuple[str, ...]] = ("typical",)
    takes_constants: ClassVar[bool] = True

    levels: int = 1
    gate: int = 0
    present: str | Mapping[str, Any] | Sequence[Any] = "quantile_normal"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.gate < self.levels:
            raise HyperparameterError(
                f"levels = {self.levels} and gate = {self.gate} of Gated: the gate is one of the first columns, and of "
                "these there must be one at least."
            )
        chained = not isinstance(self.present, str | Mapping)
        spec: Any = {"kind": "chain", "bijections": self.present} if chained else self.present
        self.rest = as_bijection(spec, "present of Gated")
        self.present = self.rest.specification()
        self.identity = JointLevels()

    @property
    @override
    def discrete_columns(self) -> list[int]:
        return list(range(len(self.get_buffer("typical"))))

    def _learn_noisy(self, x: Tensor, weights: Tensor, context: Tensor | None, noise: Tensor) -> dict[str, Tensor]:
        n = self.levels
        if x.shape[1] <= n:
            raise ShapeError(f"levels = {n} of Gated: x has {x.shape[1]} columns, so that there are no others.")
        there = x[:, self.gate] != 0
        odd = ~there & (x[:, n:] != 0).any(dim=1)
        if bool(odd.any()):
            raise ShapeError(
                f"{int(odd.sum()):,} rows (first {int(odd.int().argmax())}) have zero in column {self.gate} of Gated, "
                f"but other numbers than zero behind column {n - 1}."
            )
        if not bool(there.any()):
            raise ShapeError(f"Column {self.gate} of Gated is zero everywhere, so that the others can not be learned.")
        self.identity.fit(x[:, :n], weights, context, noise[:, :n])
        own = None if context is None else context[there]
        try:
            self.rest.fit(x[there, n:], weights[there], own, noise[there, n:])
        except GeneratorError as error:
            raise type(error)(f"Columns {n} and on of Gated: {error}") from error
        # What stands in for a row that is not there, so that every map has something that it can map.
        return {"typical": torch.cat([x.new_zeros(n), x[there, n:].median(dim=0).values])}

    def _spread(self, x: Tensor, context: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        n = self.levels
        first, log_det = self.identity.forward(x[:, :n], context, noise[:, :n])
        there = (x[:, self.gate] != 0)[:, None]
        typical = self.get_buffer("typical")[n:].to(x)
        values, slopes = self.rest.forward(torch.where(there, x[:, n:], typical), context, noise[:, n:])
        v = noise[:, n:].clamp(_EDGE, 1 - _EDGE)
        nothing = torch.special.ndtri(v)
        free = 0.5 * (nothing.square() + math.log(2 * math.pi)).sum(dim=1)
        free = torch.where((x[:, n:] != 0).any(dim=1), -math.inf, free)
        z = torch.cat([first, torch.where(there, values, nothing)], dim=1)
        return z, log_det + torch.where(there[:, 0], slopes, free)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        n = self.levels
        first = self.identity.inverse(z[:, :n], context)
        values = self.rest.inverse(z[:, n:], context)
        there = (first[:, self.gate] != 0)[:, None]
        return torch.cat([first, torch.where(there, values, torch.zeros_like(values))], dim=1)
