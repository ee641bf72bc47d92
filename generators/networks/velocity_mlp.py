"""A residual perceptron for velocities of feature vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class VelocityMLP(nn.Module):
    """A field on x (N, D) at times t in [0, 1], (N,) or (), given c (N, C), with Fourier features of the time.

    Every hidden layer after the first adds to what is there: the same budget of training gets half as close to the best
    field without. What the time says enters by its own matrix, so that one time for all rows costs one row. The last
    layer starts at zero, so an untrained network is the zero field.
    """

    frequencies: Tensor

    def __init__(self, features: int, context: int, *, hidden: int, layers: int, frequencies: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * torch.arange(1, frequencies + 1, dtype=torch.float32))
        self.entry = nn.Linear(features + context, hidden)
        self.time = nn.Linear(2 * frequencies, hidden, bias=False)
        self.body = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers - 1))
        self.head = nn.Linear(hidden, features)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """The field (N, D)."""
        h = self._enter(x, t, c)
        for layer in self.body:
            h = h + layer(functional.silu(h))
        out: Tensor = self.head(functional.silu(h))
        return out

    def pushforward(self, x: Tensor, t: Tensor, c: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """The field and its derivative along K directions (K, N or 1, D), (K, N, D), in one pass."""
        h = self._enter(x, t, c)
        moved = functional.linear(directions, self.entry.weight[:, : x.shape[1]])
        for layer in self.body:
            assert isinstance(layer, nn.Linear)
            active, slope = silu_and_slope(h)
            h, moved = h + layer(active), moved + functional.linear(moved * slope, layer.weight)
        active, slope = silu_and_slope(h)
        return self.head(active), functional.linear(moved * slope, self.head.weight)

    def _enter(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        phase = t[..., None] * self.frequencies.to(t.dtype)
        features = torch.cat([torch.sin(phase), torch.cos(phase)], dim=-1)
        entered: Tensor = self.entry(torch.cat([x, c], dim=1)) + self.time(features)
        return entered


def silu_and_slope(h: Tensor) -> tuple[Tensor, Tensor]:
    """The activation and its derivative."""
    gate = torch.sigmoid(h)
    active = h * gate
    return active, gate + active * (1 - gate)
