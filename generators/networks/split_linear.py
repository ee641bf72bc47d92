"""Linear layers on a concatenation whose parts belong to whole clouds or to single points."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional


class SplitLinear(nn.Module):
    """W [p, q, …] + b without the concatenation: every part meets its own columns of W, on as few rows as it has.

    What belongs to a cloud is multiplied once per cloud and not once per point. With `weight_norm`, rows of W are
    g v / |v| (Salimans & Kingma, 1602.07868), with |v| over the whole row.
    """

    scale: nn.Parameter | None

    def __init__(self, *parts: int, out: int, weight_norm: bool = False) -> None:
        super().__init__()
        self.parts = parts
        # Every part counts the same in the beginning, lest a short one that speaks for the whole cloud be drowned.
        columns = [math.sqrt(2 / (len(parts) * part)) * torch.randn(out, part) for part in parts if part]
        self.direction, self.bias = nn.Parameter(torch.cat(columns, dim=1)), nn.Parameter(torch.zeros(out))
        norm = self.direction.detach().norm(dim=1, keepdim=True)
        self.register_parameter("scale", nn.Parameter(norm) if weight_norm else None)
        self.ready: Tensor | None = None

    def start_small(self) -> Self:
        """Make an untrained layer give a tenth; at zero, a direction with a scale would not begin to turn."""
        with torch.no_grad():
            (self.direction if self.scale is None else self.scale).mul_(0.1)
        return self

    @property
    def weight(self) -> Tensor:
        """W, (out, sum of the parts)."""
        if self.ready is not None:
            return self.ready
        whole: Tensor = self.direction
        if self.scale is not None:
            whole = whole * (self.scale / torch.linalg.vector_norm(whole, dim=1, keepdim=True))
        return whole

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """The sum for parts (N, part), of which the first may be points (N, P, part): (N, out) or (N, P, out)."""
        weight = self.weight
        if first.ndim == 2 or not others:
            return functional.linear(torch.cat([first, *others], dim=1), weight, self.bias)
        made = functional.linear(first, weight[:, : self.parts[0]])
        # One product for all that a cloud knows.
        joined = torch.cat(others, dim=1) if len(others) > 1 else others[0]
        whole = functional.linear(joined, weight[:, self.parts[0] :], self.bias)
        # In place: nothing needs the product itself.
        return made.add_(whole[:, None])


@contextmanager
def weights_once(network: nn.Module) -> Iterator[None]:
    """Within, the layers of a network compute W once and not in every call; parameters must not change meanwhile."""
    layers = [layer for layer in network.modules() if isinstance(layer, SplitLinear) and layer.scale is not None]
    if torch.compiler.is_compiling():
        layers = []
    try:
        for layer in layers:
            layer.ready = layer.weight
        yield
    finally:
        for layer in layers:
            layer.ready = None
