"""A mean field that attends to the points and is told to each of them, as in MDMA (2305.15254); linear in points."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from generators.networks.transformer import Attention, attention_mask

#: Makes a linear layer of so many inputs and outputs.
Linear = Callable[[int, int], nn.Module]


class DirectionLinear(nn.Module):
    """W x with rows of length one, without a gain or a bias: every output is bounded by the length of x."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.direction = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(…, inputs) -> (…, outputs)."""
        return functional.linear(x, functional.normalize(self.direction, dim=1, eps=1e-8))


class MeanFieldBlock(nn.Module):
    """The mean field (N, W) asks the points (N, P, W), thinks with what is known of the cloud (N, K), and tells them.

    Both come through the same layer to `hidden` numbers. With `bounded` all layers are `DirectionLinear`, and the
    matrices of the attention have their lengths apart (1602.07868).
    """

    def __init__(self, width: int, hidden: int, heads: int, cloud: int, *, bounded: bool) -> None:
        super().__init__()
        linear: Linear = DirectionLinear if bounded else nn.Linear
        self.widen, self.norm = linear(width, hidden), nn.LayerNorm(hidden)
        self.attention = Attention(hidden, heads)
        if bounded:
            for layer in (self.attention.ask, self.attention.offer):
                parametrizations.weight_norm(layer)
        self.think, self.narrow = linear(hidden + cloud, hidden), linear(hidden, width)
        self.tell = linear(2 * hidden, width)

    def forward(self, x: Tensor, field: Tensor, mask: Tensor, cloud: Tensor) -> tuple[Tensor, Tensor]:
        """Points and mean field after this block; the mask is (N, P)."""
        points = self.widen(_act(x))
        asking = self.norm(self.widen(_act(field)))[:, None]
        answer = self.attention(asking, points, attention_mask(mask))[:, 0]
        answer = self.think(torch.cat([answer, cloud], dim=1))
        told = torch.cat([points, answer[:, None].expand(-1, x.shape[1], -1)], dim=2)
        return x + self.tell(told), _act(self.narrow(answer))


def _act(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.01)
