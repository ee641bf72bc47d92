"""What a network sees of the time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class CosineFeatures(nn.Module):
    """cos(k π t / 2) for k = 1 … `count`, which tell all times in [0, 1] apart: (N,) -> (N, count)."""

    frequencies: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", 0.5 * math.pi * torch.arange(1, count + 1, dtype=torch.float32))

    def forward(self, t: Tensor) -> Tensor:
        """Features of times t (N,) or ()."""
        return torch.cos(t[..., None] * self.frequencies.to(t.dtype))
