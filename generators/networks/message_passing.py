"""Messages between all pairs of points, which a network makes and another one takes in (MPGAN: 2106.11535)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.networks.split_linear import SplitLinear

SLOPE = 0.2


class MessagePassing(nn.Module):
    """h_i' = f_n(h_i, Σ_j f_e(h_i, h_j)) over points that are present, both with the context of the cloud.

    `edges` are the sizes of the layers of f_e, all of which end in a leaky rectifier; `nodes` those between the layers
    of f_n, whose last one, to `out` numbers, is linear. The cost grows with the square of the number of points.
    """

    def __init__(
        self, features: int, context: int, out: int, *, edges: Sequence[int], nodes: Sequence[int], dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.features = features
        self.first = SplitLinear(features, features, context, out=edges[0])
        self.edges = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise(edges))
        sizes = (*nodes, out)
        self.enter = SplitLinear(edges[-1] + features, context, out=sizes[0])
        self.nodes = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise(sizes))
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, mask: Tensor, c: Tensor) -> Tensor:
        """Points (N, P, out) of points h (N, P, F); c is (N, C)."""
        received = self._messages(h, mask, c)
        h = self.enter(torch.cat([received, h], dim=2), c)
        for layer in self.nodes:
            h = layer(self.dropout(_act(h)))
        left_out: Tensor = self.dropout(h)
        return left_out

    def _messages(self, h: Tensor, mask: Tensor, c: Tensor) -> Tensor:
        """What every point is told, (N, P, M)."""
        weight = self.first.weight
        # Receiver and sender meet their own columns before they are paired.
        receiver = functional.linear(h, weight[:, : self.features])
        sender = functional.linear(h, weight[:, self.features : 2 * self.features])
        cloud = functional.linear(c, weight[:, 2 * self.features :], self.first.bias)
        message = self.dropout(_act((receiver + cloud[:, None])[:, :, None] + sender[:, None]))
        for layer in self.edges:
            message = self.dropout(_act(layer(message)))
        return torch.einsum("nijm,nj->nim", message, mask.to(message.dtype))


def _act(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)
