"""A velocity between contexts: inside of an interval, a straight line between the fields at its ends."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class BetweenContexts(nn.Module):
    """A field on x (N, *event) at times t, given c (N, C), that asks `network` inside of no interval of c.

    For c between low and high, columns of (K,), it is (1 − w) F(x, t, low) + w F(x, t, high) with w linear in c, and
    outside of all intervals F(x, t, c) itself. The first column of c is the one that is interpolated.
    """

    low: Tensor
    high: Tensor

    def __init__(self, network: nn.Module, low: Tensor, high: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """The field, (N, *event)."""
        network: Any = self.network
        at = c[:, :1]
        inside = (at > self.low) & (at < self.high)
        index = inside.int().argmax(dim=1)
        between = inside.any(dim=1)
        low = torch.where(between, self.low[index], at[:, 0]).to(c.dtype)
        high = torch.where(between, self.high[index], at[:, 0]).to(c.dtype)
        share = torch.where(between, (at[:, 0] - low) / (high - low).clamp_min(1e-12), torch.zeros_like(low))
        share = share.reshape(-1, *[1] * (x.ndim - 1))
        below, above = (network(x, t, torch.cat([end[:, None], c[:, 1:]], dim=1)) for end in (low, high))
        field: Tensor = (1 - share) * below + share * above
        return field
