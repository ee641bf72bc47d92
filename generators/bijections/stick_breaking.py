"""Voxels of layers as the energy of every layer and shares of what is left of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import SmoothBijection, spread
from generators.bijections.sticks import pieces, shares
from generators.errors import HyperparameterError, ShapeError
from generators.registry import register


@register
@dataclass(eq=False, repr=False)
class StickBreaking(SmoothBijection):
    """Groups of positive columns (voxels of layers) as the sum of every group and shares of what is left of it.

    z has the sums of all groups first and behind them, group after group, one share less than the group has columns:
    x_{i−1} over the sum of x_{i−1} and all columns behind it. Voxels divided by the energy of their layer lie on a
    simplex, of one dimension less than there are voxels, and no density over all of them is one; the sums and these
    shares are as many numbers as there are voxels, so that the log-determinant is exact and sums and shapes can be
    learned apart. The inverse gives every group exactly its sum.

    `sizes` are the numbers of columns of the groups; without any, all columns are one. Shares lie in [0, 1]; give
    "unit_logit" after it. Zeros are atoms; give "threshold" before it.

    >>> x = torch.tensor([[1.0, 3.0, 4.0], [2.0, 2.0, 0.5]])
    >>> fitted = StickBreaking(sizes=[2, 1]).fit(x)
    >>> z, log_det = fitted.forward(x)
    >>> z.tolist(), [round(v, 3) for v in log_det.exp().tolist()]
    ([[4.0, 4.0, 0.25], [4.0, 0.5, 0.5]], [0.25, 0.25])
    """

    kind: ClassVar[str] = "stick_breaking"
    learned: ClassVar[tuple[str, ...]] = ("columns",)

    sizes: Sequence[int] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sizes = list(self.sizes)
        if any(not isinstance(size, int) or isinstance(size, bool) or size < 1 for size in self.sizes):
            raise HyperparameterError(f"sizes = {self.sizes} of StickBreaking must be whole numbers of 1 or more.")

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        spread(x)
        if self.sizes and sum(self.sizes) != x.shape[1]:
            raise ShapeError(f"sizes of StickBreaking hold {sum(self.sizes)} columns, but x has {x.shape[1]}.")
        return {"columns": torch.ones(x.shape[1], dtype=x.dtype, device=x.device)}

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        sums, sticks, log_dets = zip(*(shares(part) for part in torch.split(x, self._sizes(), dim=1)), strict=True)
        return torch.cat([*sums, *sticks], dim=1), torch.stack(log_dets, dim=1).sum(dim=1)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        sizes = self._sizes()
        sums = z[:, : len(sizes)]
        sticks = torch.split(z[:, len(sizes) :], [size - 1 for size in sizes], dim=1)
        return torch.cat([pieces(sums[:, i : i + 1], share) for i, share in enumerate(sticks)], dim=1)

    def _sizes(self) -> list[int]:
        return list(self.sizes) or [self.features]
