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
Linear = Callable[[int, int], "DirectionLinear | nn.Linear"]


class DirectionLinear(nn.Module):
    """W x with rows of length one, without a gain or a bias: every output is bounded by the length of x."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.direction = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))

    @property
    def weight(self) -> Tensor:
        """W, (outputs, inputs)."""
        return functional.normalize(self.direction, dim=1, eps=1e-8)

    def forward(self, x: Tensor) -> Tensor:
        """(…, inputs) -> (…, outputs)."""
        return functional.linear(x, self.weight)


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
        asking = self.norm(self.widen(_act(field)))
        answer = self.think(torch.cat([asked_once(self.attention, asking, points, mask), cloud], dim=1))
        # What is told of the mean field is the same for all points, and multiplied once.
        of_points, of_field = self.tell.weight.tensor_split([points.shape[2]], dim=1)
        told = functional.linear(points, of_points)
        whole = functional.linear(answer, of_field, getattr(self.tell, "bias", None))
        return x + told.add_(whole[:, None]), _act(self.narrow(answer))


def asked_once(attention: Attention, query: Tensor, points: Tensor, mask: Tensor) -> Tensor:
    """What `Attention` gives one query (N, W) about points (N, P, W) where the mask (N, P) is: (N, W).

    With one query it is cheaper to bring that, by head, to the space of the points than points to the space of queries.
    A shift of all keys changes no share, and one of all values comes through as it is.
    """
    heads, width = attention.heads, query.shape[1] // attention.heads
    of_keys, of_values = attention.offer.weight.view(2, heads, width, -1)
    _, shift = attention.offer.bias.view(2, -1)
    asked = attention.ask(query).view(-1, heads, width)
    scores = torch.baddbmm(
        _forbidden(mask, points), points, torch.einsum("nhd,hdw->nwh", asked, of_keys), alpha=width**-0.5
    )
    gathered = torch.bmm(scores.softmax(dim=1).transpose(1, 2), points)
    answer: Tensor = attention.leave(torch.einsum("nhw,hdw->nhd", gathered, of_values).flatten(1) + shift)
    return answer


def _forbidden(mask: Tensor, points: Tensor) -> Tensor:
    """−∞ where no point is, (N, P, 1); in a cloud without any all are looked at."""
    allowed = attention_mask(mask)[:, 0, 0, :, None]
    return torch.where(allowed, points.new_zeros(()), points.new_full((), -math.inf))


def _act(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.01)
