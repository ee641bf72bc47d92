"""Points that attend to each other through one vector of their cloud, as in iGAPT (2312.04757); linear in points."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.networks.mean_field import asked_once
from generators.networks.transformer import Attention


class InducedAttention(nn.Module):
    """The vector of a cloud (N, W) asks its points (N, P, W), and they ask it; both then think by one layer.

    Of a single key every share is one, so that what points ask never matters: only what the vector answers is kept. In
    a critic all is normalised, and what is thought is dropped by the share `dropout`.
    """

    def __init__(self, width: int, heads: int, *, normalised: bool, dropout: float) -> None:
        super().__init__()
        self.attention, self.answer = Attention(width, heads), nn.Linear(width, width)
        self.of_cloud = Thinking(width, normalised=normalised, dropout=dropout)
        self.of_points = Thinking(width, normalised=normalised, dropout=dropout)

    def forward(self, x: Tensor, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Points and vector after this block; the mask is (N, P)."""
        z = self.of_cloud(z + asked_once(self.attention, z, x, mask))
        return self.of_points(x + self.answer(z)[:, None]), z


class Thinking(nn.Module):
    """h + LeakyReLU(W h), with norms before and behind if it is `normalised`: what follows an attention."""

    def __init__(self, width: int, *, normalised: bool, dropout: float) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(width, width), nn.Dropout(dropout)
        self.before, self.behind = (nn.LayerNorm(width) if normalised else nn.Identity() for _ in range(2))

    def forward(self, h: Tensor) -> Tensor:
        """(…, W) -> (…, W)."""
        h = self.before(h)
        out: Tensor = self.behind(h + self.dropout(functional.leaky_relu(self.linear(h), 0.2)))
        return out


class Gathered(nn.Module):
    """One vector of a cloud by a learned question to its points."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.question, self.attention = nn.Parameter(torch.randn(width)), Attention(width, heads)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, P, W) -> (N, W)."""
        question = self.question.expand(len(x), -1)
        return question + asked_once(self.attention, question, x, mask)
