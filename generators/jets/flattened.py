"""The density of a cloud as one vector of all features of all points, in the order of falling pT."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.flows.masked_coupling import MaskedCoupling
from generators.flows.rational_quadratic import RationalQuadratic
from generators.jets.lengths import prefix_mask


class FlattenedFlow(nn.Module):
    """p(z | n, c) of clouds (N, P, F) that are in order, by spline couplings of P · F numbers.

    Absent points take no part, so no noise has to fill their places. Nothing in it is symmetric: P is fixed, and the
    order of the points has to be given.
    """

    def __init__(
        self,
        points: int,
        features: int,
        context: int,
        *,
        blocks: int,
        hidden: int,
        layers: int,
        bins: int,
        tail_bound: float,
    ) -> None:
        super().__init__()
        self.points, self.features = points, features
        univariate = RationalQuadratic(bins, tail_bound)
        self.blocks = nn.ModuleList(
            MaskedCoupling(points * features, context + 1, univariate, hidden=hidden, layers=layers)
            for _ in range(blocks)
        )

    def log_prob(self, z: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """Log-density (N,) of ordered clouds z (N, L ≤ P, F) with so many points (N,), at c (N, C)."""
        present, known = self._present(counts), self._known(counts, c)
        x = self._whole(z).flatten(1)
        total = z.new_zeros(len(z))
        for block in self.blocks:
            x, log_det = block(x, present, known)
            total = total + log_det
        normal = -0.5 * (x.square() + math.log(2 * math.pi)) * present.to(x.dtype)
        return total + normal.sum(dim=1)

    def transport(self, noise: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """Clouds (N, L, F) of normal noise (N, L ≤ P, F), zero where a point is absent, at c (N, C)."""
        present, known = self._present(counts), self._known(counts, c)
        x = self._whole(noise).flatten(1) * present.to(noise.dtype)
        for block in reversed(list(self.blocks)):
            assert isinstance(block, MaskedCoupling)
            x, _ = block.inverse(x, present, known)
        return x.view(len(x), self.points, self.features)[:, : noise.shape[1]]

    def _present(self, counts: Tensor) -> Tensor:
        return prefix_mask(counts, self.points).repeat_interleave(self.features, dim=1)

    def _known(self, counts: Tensor, c: Tensor) -> Tensor:
        return torch.cat([c, counts.to(c.dtype)[:, None] / max(self.points, 1)], dim=1)

    def _whole(self, z: Tensor) -> Tensor:
        return functional.pad(z, (0, 0, 0, self.points - z.shape[1]))
