"""What a critic sees of a whole batch: how many events are like each (Salimans et al., 1606.03498)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Events of a batch for which sums over it are meant, whatever its size is.
_EVENTS = 256


class MinibatchFeatures(nn.Module):
    """Features (N, D) -> (N, K): in each of K projections to `numbers`, how many events of the batch lie near.

    It is tanh Σ exp(−L1 distance) as for a batch of 256 events, so that a training with another size of batch, and the
    events that are held out, have the same features.
    """

    def __init__(self, features: int, projections: int = 10, numbers: int = 10) -> None:
        super().__init__()
        self.projections, self.numbers = projections, numbers
        self.project = nn.Linear(features, projections * numbers)

    def forward(self, x: Tensor) -> Tensor:
        """See the class; the events of a batch are all true or all generated."""
        at = self.project(x).view(len(x), self.projections, self.numbers).transpose(0, 1).contiguous()
        others = torch.exp(-torch.cdist(at, at, p=1.0)).sum(dim=2) - 1
        return torch.tanh(1 + (_EVENTS - 1) / max(1, len(x) - 1) * others).transpose(0, 1)
