"""Logarithm of energies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import SmoothBijection, spread
from generators.errors import HyperparameterError
from generators.registry import register


@register
@dataclass(eq=False, repr=False)
class Logarithm(SmoothBijection):
    """z = log(x + offset) of every column; log|det| = −Σ z.

    The inverse can fall below zero by the offset. A row with a value of −offset or less can not occur: its log|det| is
    −∞.
    """

    kind: ClassVar[str] = "logarithm"
    learned: ClassVar[tuple[str, ...]] = ("columns",)

    offset: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.offset) and self.offset >= 0):
            raise HyperparameterError(f"offset = {self.offset} of Logarithm must be 0 or more.")

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        low, _ = spread(x)
        outside = (low + self.offset <= 0).nonzero().flatten().tolist()
        if outside:
            raise HyperparameterError(
                f"offset = {self.offset} of Logarithm: column {outside[0]} goes down to {float(low[outside[0]]):g}, of "
                'which there is no logarithm. Give a larger one, or "threshold" before it.'
            )
        return {"columns": torch.ones(x.shape[1], dtype=x.dtype, device=x.device)}

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        shifted = x + self.offset
        z = shifted.clamp(min=torch.finfo(x.dtype).tiny).log()
        return z, torch.where((shifted <= 0).any(dim=1), -torch.inf, -z.sum(dim=1))

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        return z.exp() - self.offset
