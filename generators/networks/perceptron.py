"""A perceptron of events and context that starts as torch has it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class Perceptron(nn.Module):
    """Maps (N, G) and context (N, C) to (N, P), with `layers` hidden layers of `hidden` units."""

    def __init__(
        self,
        given: int,
        context: int,
        outputs: int,
        *,
        hidden: int,
        layers: int,
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        sizes = [given + context, *[hidden] * layers]
        body = [part for n, m in pairwise(sizes) for part in (nn.Linear(n, m), activation())]
        self.body = nn.Sequential(*body, nn.Linear(hidden, outputs))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """What it makes of x (N, G) at c (N, C)."""
        out: Tensor = self.body(torch.cat([x, c], dim=1))
        return out
