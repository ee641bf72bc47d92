"""The contract of layers of flows, of `generators.testing`, as a mix-in of test classes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from generators.testing.contract import Contract
from generators.testing.layer import LayerContract, rows, size_of_rows, with_random_parameters

from .contracts import tested

__all__ = ["TransformContract", "rows"]


def _layer(self: Any) -> Contract:
    return LayerContract(self.make, accuracy=self.accuracy)


@tested(LayerContract, _layer)
class TransformContract:
    """Mix-in: a test class that fills `make` inherits all of it.

    `accuracy` is what the round trip of a row may lose against one, from what its numbers and its map are like.
    """

    def make(self, features: int, context: int) -> nn.Module:
        """An untrained layer."""
        raise NotImplementedError

    def accuracy(self, layer: nn.Module, x: Tensor, context: Tensor | None) -> Tensor | float:
        """Factor (N,) on the tolerance of the round trip."""
        return size_of_rows(layer, x, context)

    def wild(self, features: int, context: int, *, scale: float = 1.0, seed: int = 0) -> nn.Module:
        """A layer whose parameters are random numbers of any size."""
        return with_random_parameters(self.make, features, context, scale=scale, seed=seed)
