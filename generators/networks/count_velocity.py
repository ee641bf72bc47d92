"""A perceptron of layers of different widths for velocities of feature vectors, as of PointCountFM."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.networks.velocity_mlp import silu_and_slope


class CountVelocity(nn.Module):
    """A field on x (N, D) at times t in [0, 1], (N,) or (), given c (N, C), through layers of `widths`.

    It sees sines and cosines of `frequencies` of the time; 349,902 parameters for 78 numbers and one of context. It is
    smooth, where the published one has rectifiers: solvers keep their order.
    """

    frequencies: Tensor

    def __init__(self, features: int, context: int, *, widths: Sequence[int], frequencies: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * torch.arange(1, frequencies + 1, dtype=torch.float32))
        sizes = [features + context + 2 * frequencies, *widths]
        self.body = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.head = nn.Linear(sizes[-1], features)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """The field (N, D)."""
        h = self._entered(x, t, c)
        for layer in self.body:
            h = functional.silu(layer(h))
        out: Tensor = self.head(h)
        return out

    def pushforward(self, x: Tensor, t: Tensor, c: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """The field and its derivative along K directions (K, N or 1, D), (K, N, D), in one pass."""
        h, moved = self._entered(x, t, c), directions
        for layer in self.body:
            assert isinstance(layer, nn.Linear)
            h, slope = silu_and_slope(layer(h))
            # The first layer sees the moved numbers before what does not move.
            moved = functional.linear(moved, layer.weight[:, : moved.shape[2]]) * slope
        return self.head(h), functional.linear(moved, self.head.weight)

    def _entered(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        phase = t[..., None] * self.frequencies.to(t.dtype)
        of_time = torch.cat([phase.cos(), phase.sin()], dim=-1)
        return torch.cat([x, c, of_time.to(x.dtype).expand(len(x), -1)], dim=1)
