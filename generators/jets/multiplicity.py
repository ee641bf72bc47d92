"""How many constituents a jet has, given its context."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Multiplicity(nn.Module):
    """p(n | c) for n from 0 to `points`, each number on its own, so that any shape can be learned."""

    def __init__(self, context: int, points: int, *, hidden: int = 64) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(max(1, context), hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, points + 1),
        )

    def log_prob(self, counts: Tensor, c: Tensor) -> Tensor:
        """Log p(n | c), (N,), for counts (N,) and c (N, C)."""
        logits = functional.log_softmax(self._scores(c), dim=1)
        return logits.gather(1, counts[:, None])[:, 0]

    def draw(self, c: Tensor, generator: torch.Generator) -> Tensor:
        """One number per row of c, (N,)."""
        cumulative = functional.softmax(self._scores(c).double().cpu(), dim=1).cumsum(dim=1)
        u = torch.rand(c.shape[0], 1, generator=generator, dtype=torch.float64)
        return torch.searchsorted(cumulative, u)[:, 0].clamp_max(cumulative.shape[1] - 1)

    def _scores(self, c: Tensor) -> Tensor:
        # A constant stands in where there is no context to look at.
        out: Tensor = self.network(c if c.shape[1] else c.new_ones(c.shape[0], 1))
        return out
