"""A perceptron of features and context that makes the parameters of univariate maps."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from generators.networks.made import FARTHEST, Activation


class ParameterMLP(nn.Module):
    """Maps what is given, (N, G) and context (N, C) or None, to the parameters of T numbers, (P, T, N).

    The last layer starts near zero, so that all maps start alike.
    """

    def __init__(
        self,
        given: int,
        context: int,
        *,
        hidden: int,
        layers: int,
        numbers: int,
        parameters: int,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.shape, self.activation = (parameters, numbers), activation
        # A constant stands in where there is neither a feature nor a context to look at.
        self.empty = given + context == 0
        sizes = [max(1, given + context), *[hidden] * layers]
        self.hidden = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise(sizes))
        self.final = nn.Linear(hidden, parameters * numbers)
        with torch.no_grad():
            self.final.weight.mul_(0.1)
            self.final.bias.zero_()

    def by_parameter(self, given: Tensor, context: Tensor | None) -> Tensor:
        """Parameters (P, T, N)."""
        given = given.clamp(-FARTHEST, FARTHEST)
        h = given if context is None else torch.cat([given, context], dim=1)
        h = h.new_ones(h.shape[0], 1) if self.empty else h
        for layer in self.hidden:
            h = self.activation(layer(h))
        # The product is asked for in the order in which the maps want it.
        out = torch.addmm(self.final.bias[:, None], self.final.weight, h.t())
        return out.view(*self.shape, given.shape[0])
