"""Coupling transforms: one half of the features through maps that depend on the context and on the other half."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from generators.flows.rational_quadratic import rational_quadratic, rational_quadratic_inverse


class CouplingSpline(nn.Module):
    """Rational-quadratic splines (Durkan et al., 1906.04032) of the features with mask 1, given those with mask 0.

    Forward and inverse map (N, D) with context (N, C) or None to (N, D) and log|det| (N,), one pass of the network
    each. Without any feature to be given, the parameters depend on the context alone, or on nothing.
    """

    given: Tensor
    transformed: Tensor

    def __init__(self, mask: Sequence[int], context: int, *, hidden: int, layers: int, bins: int, bound: float) -> None:
        super().__init__()
        self.bound = bound
        chosen = torch.tensor(mask, dtype=torch.bool)
        self.register_buffer("given", (~chosen).nonzero().flatten(), persistent=False)
        self.register_buffer("transformed", chosen.nonzero().flatten(), persistent=False)
        # A constant stands in where there is neither a feature nor a context to look at.
        inputs = max(1, len(self.given) + context)
        self.network = _perceptron([inputs, *[hidden] * layers, len(self.transformed) * (3 * bins - 1)])

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the latent side."""
        z, log_slope = rational_quadratic(x[:, self.transformed], self._parameters_at(x, context), bound=self.bound)
        return x.index_copy(1, self.transformed, z), log_slope.sum(dim=1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the data side."""
        parameters = self._parameters_at(z, context)
        x, log_slope = rational_quadratic_inverse(z[:, self.transformed], parameters, bound=self.bound)
        return z.index_copy(1, self.transformed, x), log_slope.sum(dim=1)

    def _parameters_at(self, x: Tensor, context: Tensor | None) -> Tensor:
        seen = [x[:, self.given]] + ([] if context is None else [context])
        inputs = torch.cat(seen, dim=1)
        raw: Tensor = self.network(inputs if inputs.shape[1] else x.new_ones(len(x), 1))
        return raw.view(len(x), len(self.transformed), raw.shape[1] // len(self.transformed))


def transformed_features(block: int, features: int) -> list[int]:
    """Mask of a coupling block: halves by the binary digits of a feature's number, each then complemented.

    Any two features are in different halves after 2 log₂ D blocks (i-flow, 2001.05486). A single feature is always
    transformed.

    >>> [transformed_features(block, 4) for block in range(4)]
    [[0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]]
    """
    if features == 1:
        return [1]
    digits = (features - 1).bit_length()
    return [(feature >> block // 2 % digits & 1) ^ block % 2 for feature in range(features)]


def _perceptron(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers with SiLU between; the last one starts near zero, so that all splines start alike."""
    linear = [nn.Linear(before, after) for before, after in pairwise(sizes)]
    with torch.no_grad():
        linear[-1].weight.mul_(0.1)
        linear[-1].bias.zero_()
    return nn.Sequential(*(part for layer in linear[:-1] for part in (layer, nn.SiLU())), linear[-1])
