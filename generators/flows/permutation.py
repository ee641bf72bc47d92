"""Features in another order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from nflows.transforms.base import Transform
from torch import Tensor

from generators.errors import ShapeError


class Permutation(Transform):  # type: ignore[misc]
    """The features of x (N, D) in the order (D,) that is given, which is a part of the state."""

    order: Tensor

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        if not order.is_meta and not torch.equal(order.sort().values, torch.arange(len(order), device=order.device)):
            raise ShapeError(f"{order.tolist()} is no order of {len(order)} features.")
        self.register_buffer("order", order)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the latent side; volumes stay as they are."""
        return inputs.index_select(1, self.order), inputs.new_zeros(inputs.shape[0])

    def inverse(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the data side."""
        return inputs.index_select(1, self.order.argsort()), inputs.new_zeros(inputs.shape[0])


def within_groups(sizes: Sequence[int], *, reverse: bool) -> Tensor:
    """An order of features in groups of these sizes, next to each other, that mixes none of them: random or reversed.

    >>> within_groups([2, 3], reverse=True).tolist()
    [1, 0, 4, 3, 2]
    """
    parts, offset = [], 0
    for size in sizes:
        parts.append(offset + (torch.arange(size - 1, -1, -1) if reverse else torch.randperm(size)))
        offset += size
    return torch.cat(parts)
