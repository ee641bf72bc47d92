"""Convolutions whose weights differ from place to place."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class LocallyConnected(nn.Module):
    """Images (N, `channels`, rows, columns) -> (N, `out`, …): a convolution with weights of its own at every place.

    `image` are the rows and columns that come in, `padding` the zeros on every side, and `size` those that go out. A
    calorimeter has no translation symmetry across the axis of a shower: its core is always at the same place.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: tuple[int, int],
        image: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding
        rows, columns = (
            (side + 2 * pad - width) // step + 1
            for side, width, step, pad in zip(image, kernel, stride, padding, strict=True)
        )
        self.size = (rows, columns)
        seen = channels * kernel[0] * kernel[1]
        limit = math.sqrt(6 / seen)
        self.weight = nn.Parameter(torch.empty(rows * columns, seen, out).uniform_(-limit, limit))
        self.bias = nn.Parameter(torch.zeros(rows * columns, 1, out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        patches = functional.unfold(x, self.kernel, stride=self.stride, padding=self.padding)
        made = patches.permute(2, 0, 1) @ self.weight
        if self.bias is not None:
            made = made + self.bias
        return made.permute(1, 2, 0).reshape(len(x), self.weight.shape[2], *self.size)
