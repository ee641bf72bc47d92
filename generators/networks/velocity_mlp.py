"""A multilayer perceptron for velocities of feature vectors."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


class VelocityMLP(nn.Module):
    """v(x, t, c) for x (N, D), t (N, 1), c (N, C), with Fourier features of the time.

    The last layer starts at zero, so an untrained network is the zero field.
    """

    frequencies: Tensor

    def __init__(self, features: int, context: int, *, hidden: int, layers: int, frequencies: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * torch.arange(1, frequencies + 1, dtype=torch.float32))
        widths = [features + 2 * frequencies + context] + [hidden] * layers
        body: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            body += [nn.Linear(wide, narrow), nn.SiLU(inplace=True)]
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(hidden, features)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """Velocity (N, D)."""
        phase = t * self.frequencies.to(t.dtype)
        out: Tensor = self.head(self.body(torch.cat([x, torch.sin(phase), torch.cos(phase), c], dim=1)))
        return out
