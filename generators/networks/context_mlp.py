"""A small perceptron of the context alone."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class ContextMLP(nn.Module):
    """Parameters (N, P) of a transform from its context (N, C), near `start` (P,) before training.

    Without context the parameters are constants that are learned.
    """

    def __init__(self, context: int, start: Tensor, *, hidden: int, layers: int) -> None:
        super().__init__()
        self.start = nn.Parameter(start.clone())
        self.body: nn.Sequential | None = None
        if context:
            sizes = [context, *[hidden] * layers]
            body = [part for n, m in pairwise(sizes) for part in (nn.Linear(n, m), nn.SiLU())]
            final = nn.Linear(hidden, len(start), bias=False)
            with torch.no_grad():
                final.weight.mul_(0.1)
            self.body = nn.Sequential(*body, final)

    def forward(self, context: Tensor | None, rows: int) -> Tensor:
        """Parameters for so many rows; `context` is None where there is none."""
        if self.body is None:
            return self.start.expand(rows, -1)
        parameters: Tensor = self.start + self.body(context)
        return parameters


def bounded(raw: Tensor, bound: float) -> Tensor:
    """Values in (−bound, bound) that are nearly `raw` where it is small against the bound."""
    return bound * torch.tanh(raw / bound)
