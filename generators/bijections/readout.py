"""Energies of cells in units of the threshold of their readout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import SmoothBijection
from generators.errors import HyperparameterError
from generators.registry import register


@register
@dataclass(eq=False, repr=False)
class Readout(SmoothBijection):
    """z = x / `threshold` of every cell with as much, and 0 of the others, which are empty.

    For models in which an empty cell has a probability of its own. log|det| is that of the cells with energy alone: a
    density of z times it is the probability of the empty cells times the density of the others. A row with a negative
    energy can not occur: its log|det| is −∞.

    >>> z, log_det = Readout(threshold=0.5).fit(x := torch.tensor([[0.0, 2.0], [0.3, 1.0]])).forward(x)
    >>> z.tolist(), round(float(log_det[0]), 4)
    ([[0.0, 4.0], [0.0, 2.0]], 0.6931)
    """

    kind: ClassVar[str] = "readout"
    learned: ClassVar[tuple[str, ...]] = ("columns",)

    threshold: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            raise HyperparameterError(f"threshold = {self.threshold} of Readout must be positive.")

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        # A cell that no shower hits is nothing to refuse: it is empty with certainty.
        return {"columns": torch.ones(x.shape[1], dtype=x.dtype, device=x.device)}

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        hit = x >= self.threshold
        log_det = -hit.sum(dim=1).to(x.dtype) * math.log(self.threshold)
        z = torch.where(torch.isnan(x) | hit, x / self.threshold, torch.zeros_like(x))
        return z, torch.where((x < 0).any(dim=1), -torch.inf, log_det)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        return z * self.threshold
