"""Discrete columns that occur in few combinations, such as the charge and the type of a particle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from generators.bijections.noise import NoisyBijection
from generators.errors import ShapeError
from generators.registry import register

#: More combinations than this are as good as continuous.
_MOST = 4096
#: How far from a level a value may be: single precision has no more digits.
_TOLERANCE = 1e-3
#: Noise is kept so far from 0 and 1, where a normal quantile is infinite.
_EDGE = 2.0**-30


@register
@dataclass(eq=False, repr=False)
class JointLevels(NoisyBijection):
    """All columns together as one of the combinations that the training has; no other one is ever drawn.

    A combination becomes an interval of probability of the first z, as long as it is frequent, so that this is standard
    normal; the other z are normal noise that means nothing. Dequantised one by one, an electron of charge 0 or a
    particle of two types would be between those that there are. A combination that the training has not has no density.

    >>> pairs = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> fitted = JointLevels().fit(pairs)
    >>> fitted.inverse(torch.tensor([[-3.0, 0.0], [3.0, 0.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """

    kind: ClassVar[str] = "joint_levels"
    learned: ClassVar[tuple[str, ...]] = ("levels", "edges")
    takes_constants: ClassVar[bool] = True

    @property
    @override
    def discrete_columns(self) -> list[int]:
        return list(range(len(self.get_buffer("levels"))))

    def _learn_noisy(self, x: Tensor, weights: Tensor, context: Tensor | None, noise: Tensor) -> dict[str, Tensor]:
        levels, which = torch.unique(x, dim=0, return_inverse=True)
        if len(levels) > _MOST:
            raise ShapeError(
                f"{len(levels):,} different combinations of {x.shape[1]} columns are too many for {self.kind}, which "
                f"takes {_MOST:,}; name its columns with a 'columns' bijection."
            )
        shares = torch.zeros(len(levels), dtype=x.dtype, device=x.device).index_add(0, which, weights.to(x))
        # Signed weights may cancel; what was seen can be drawn.
        shares = shares.clamp_min(1e-6 * float(shares.clamp_min(0).sum()))
        edges = torch.cat([shares.new_zeros(1), shares.cumsum(0) / shares.sum()])
        return {"levels": levels.t().contiguous(), "edges": edges}

    def _spread(self, x: Tensor, context: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        levels, edges = self.get_buffer("levels").t(), self.get_buffer("edges")
        # Column by column: a product of matrices would round the distances.
        apart = [(x[:, k, None] - levels[:, k].to(x)).square() for k in range(x.shape[1])]
        which = torch.stack(apart).sum(dim=0).argmin(dim=1)
        possible = ((x - levels.to(x)[which]).abs() < _TOLERANCE).all(dim=1)
        v = noise.clamp(_EDGE, 1 - _EDGE)
        low, high = edges[which], edges[which + 1]
        first = (low + (high - low) * v[:, 0]).clamp(_EDGE, 1 - _EDGE)
        z = torch.special.ndtri(torch.cat([first[:, None], v[:, 1:]], dim=1))
        slopes = 0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=1) + (high - low).log()
        return z, torch.where(possible, slopes, -math.inf)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        levels, edges = self.get_buffer("levels").t(), self.get_buffer("edges")
        u = torch.special.ndtr(z[:, 0]).contiguous()
        which = torch.searchsorted(edges[1:-1].contiguous(), u.to(edges), right=True)
        return levels.to(z)[which]
