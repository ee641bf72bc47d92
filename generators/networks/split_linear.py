"""Linear layers on a concatenation whose parts belong to whole clouds or to single points."""

from __future__ import annotations

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
        like = nn.Linear(sum(parts), out)
        self.parts = parts
        self.direction, self.bias = like.weight, like.bias
        norm = like.weight.detach().norm(dim=1, keepdim=True)
        self.register_parameter("scale", nn.Parameter(norm) if weight_norm else None)

    def weights(self) -> tuple[Tensor, ...]:
        """The columns of W for every part, (out, part)."""
        whole: Tensor = self.direction
        if self.scale is not None:
            whole = whole * (self.scale / torch.linalg.vector_norm(whole, dim=1, keepdim=True))
        return whole.split_with_sizes(self.parts, dim=1)

    def forward(self, *parts: Tensor) -> Tensor:
        """The sum for parts (N, part) or, first of all, (N, P, part): (N, out) or (N, P, out)."""
        points = [index for index, part in enumerate(parts) if part.ndim == 3]
        weights = self.weights()
        rows = [index for index in range(len(parts)) if index not in points]
        out: Tensor = self.bias
        if rows:
            # One product for all that a cloud knows.
            joined = torch.cat([parts[index] for index in rows], dim=1)
            out = functional.linear(joined, torch.cat([weights[index] for index in rows], dim=1), self.bias)
        for index in points:
            made = functional.linear(parts[index], weights[index])
            # In place: nothing needs the product itself.
            out = made.add_(out[:, None] if out.ndim == 2 else out)
        return out
