"""What a cloud of points is as a whole, by layers of EPiC (Buhmann, Kasieczka & Thaler, 2301.08128)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.networks.epic import EpicLayer, Pool
from generators.networks.split_linear import SplitLinear


class EpicEncoder(nn.Module):
    """Numbers (N, out) of a cloud of points (N, P, F) given a context (N, C); the order of the points changes nothing.

    `layers` of EPiC with `hidden` units for every point and a vector of `overall` numbers for all of them.
    """

    def __init__(
        self, features: int, context: int, out: int, *, hidden: int, layers: int, overall: int, weight_norm: bool = True
    ) -> None:
        super().__init__()
        self.enter = SplitLinear(features, context, out=hidden, weight_norm=weight_norm)
        self.collect = SplitLinear(2 * hidden, context, out=overall, weight_norm=weight_norm)
        self.layers = nn.ModuleList(
            EpicLayer(hidden, overall, context, context, weight_norm=weight_norm) for _ in range(layers)
        )
        self.leave = SplitLinear(2 * hidden, overall, out=out, weight_norm=weight_norm)

    def forward(self, x: Tensor, c: Tensor, mask: Tensor) -> Tensor:
        """Of points x (N, P, F) where the mask (N, P) is, given c (N, C)."""
        pool = Pool(mask)
        h = functional.silu(self.enter(x, c))
        g = functional.silu(self.collect(pool(h), c))
        for layer in self.layers:
            h, g = layer(h, g, pool, c, c)
        out: Tensor = self.leave(torch.cat([pool(h), g], dim=1))
        return out
