"""Equivariant point clouds: deep sets with a running global vector (EPiC: Buhmann, Kasieczka & Thaler, 2301.08128)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.networks.split_linear import SplitLinear
from generators.networks.time_features import CosineFeatures

#: What sums over points are multiplied by, so that they are of the size of means.
SUM_SCALE = 1e-2


class EpicLayer(nn.Module):
    """Points tell a global vector their mean and sum, and the global vector tells every point what it has become.

    `shared` are the numbers that every linear layer sees beside: `at_points` of them at the points, `at_clouds` at the
    global vector.
    """

    def __init__(self, hidden: int, latent: int, at_points: int, at_clouds: int, *, weight_norm: bool) -> None:
        super().__init__()
        self.collect = SplitLinear(2 * hidden, latent, at_clouds, out=hidden, weight_norm=weight_norm)
        self.update = SplitLinear(hidden, at_clouds, out=latent, weight_norm=weight_norm)
        self.spread = SplitLinear(hidden, latent, at_points, out=hidden, weight_norm=weight_norm)
        self.mix = SplitLinear(hidden, at_points, out=hidden, weight_norm=weight_norm)

    def forward(self, x: Tensor, g: Tensor, pool: Pool, local: Tensor, overall: Tensor) -> tuple[Tensor, Tensor]:
        """Points x (N, P, H) and global vector g (N, L) after this layer."""
        g = _act(self.update(_act(self.collect(pool(x), g, overall)), overall) + g)
        h = _act(self.spread(x, g, local))
        return _act(self.mix(h, local).add_(x)), g


class Pool:
    """Mean and sum over the points of a mask (N, P): (N, P, H) -> (N, 2 H)."""

    def __init__(self, mask: Tensor) -> None:
        self.row = mask[:, None, :]
        self.count = mask.sum(dim=1, keepdim=True).clamp_min(1)

    def __call__(self, x: Tensor) -> Tensor:
        """See the class."""
        total = torch.bmm(self.row.to(x.dtype), x)[:, 0]
        return torch.cat([total / self.count.to(x.dtype), SUM_SCALE * total], dim=1)


class Epic(nn.Module):
    """Velocity of points as in EPiC-FM (Buhmann et al., 2310.00049); the cost grows linearly with their number.

    Time features and the context are seen by every linear layer. With ``context_at_points=False`` the context is seen
    by the global vector only (2312.00123). With `weight_norm` the number of parameters is that of the published code:
    561,330 for 6 layers of 128 with a latent of 10 and no context.
    """

    def __init__(
        self,
        features: int,
        context: int,
        *,
        hidden: int = 128,
        layers: int = 6,
        latent: int = 10,
        frequencies: int = 32,
        weight_norm: bool = True,
        context_at_points: bool = True,
    ) -> None:
        super().__init__()
        self.time = CosineFeatures(frequencies)
        at_clouds = frequencies + context
        at_points = at_clouds if context_at_points else frequencies
        self.context_at_points = context_at_points
        self.enter = SplitLinear(features, at_points, out=hidden, weight_norm=weight_norm)
        self.again = SplitLinear(hidden, at_points, out=hidden, weight_norm=weight_norm)
        self.collect = SplitLinear(2 * hidden, at_clouds, out=hidden, weight_norm=weight_norm)
        self.update = SplitLinear(hidden, at_clouds, out=latent, weight_norm=weight_norm)
        self.layers = nn.ModuleList(
            EpicLayer(hidden, latent, at_points, at_clouds, weight_norm=weight_norm) for _ in range(layers)
        )
        self.leave = SplitLinear(hidden, at_points, out=features, weight_norm=weight_norm).start_small()

    def forward(self, x: Tensor, t: Tensor, c: Tensor, mask: Tensor) -> Tensor:
        """Velocity (N, P, F) of points x (N, P, F) at times t (N,) or () given c (N, C); 0 where the mask (N, P) is."""
        time = self.time(t).expand(x.shape[0], -1)
        overall = torch.cat([time, c], dim=1)
        local = overall if self.context_at_points else time
        pool = Pool(mask)
        h = _act(self.enter(x, local))
        h = _act(self.again(h, local).add_(h))
        g = _act(self.update(_act(self.collect(pool(h), overall)), overall))
        for layer in self.layers:
            h, g = layer(h, g, pool, local, overall)
        out: Tensor = self.leave(h, local) * mask[..., None]
        return out


def _act(x: Tensor) -> Tensor:
    # Smooth, where the published code has leaky rectifiers: solvers keep their order, and it learns faster.
    return functional.silu(x)
