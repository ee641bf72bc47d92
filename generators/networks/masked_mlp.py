"""A masked perceptron: outputs for feature i depend on the context and on the features before i."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class MaskedMLP(nn.Module):
    """MADE (Germain et al., 1502.03509): x (N, D) and context (N, C) to parameters (P, D, N).

    Parameters of feature i see features 0 … i − 1 and all of the context; hidden units are shared out evenly among the
    numbers of features that they may see. The last layer starts near zero.
    """

    def __init__(self, features: int, context: int, *, hidden: int, layers: int, parameters: int) -> None:
        super().__init__()
        self.features, self.parameters_per_feature = features, parameters
        # A unit of degree d sees the features before d: the context has degree 0, feature i has degree i + 1.
        inputs = torch.cat([torch.arange(1, features + 1), torch.zeros(context, dtype=torch.long)])
        inner = torch.arange(hidden) % features
        outputs = torch.arange(features).repeat(parameters)
        degrees = [inputs] + [inner] * layers + [outputs]
        self.layers = nn.ModuleList(_MaskedLinear(before, after) for before, after in pairwise(degrees))
        with torch.no_grad():
            final = self.layers[-1]
            assert isinstance(final, _MaskedLinear)
            final.weight.mul_(0.1)
            final.bias.zero_()

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        """Parameters (P, D, N)."""
        h = x if context is None else torch.cat([x, context], dim=1)
        for layer in self.layers[:-1]:
            h = functional.silu(layer(h))
        final = self.layers[-1]
        assert isinstance(final, _MaskedLinear)
        # The product is asked for in the order in which it is needed: transposing it afterwards would cost as much.
        out = torch.addmm(final.bias[:, None], final.weight * final.mask, h.t())
        return out.view(self.parameters_per_feature, self.features, len(x))


class _MaskedLinear(nn.Linear):
    """Linear layer in which a unit only sees units of its own degree or less."""

    mask: Tensor

    def __init__(self, before: Tensor, after: Tensor) -> None:
        super().__init__(len(before), len(after))
        self.register_buffer("mask", (after[:, None] >= before[None, :]).to(torch.float32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight * self.mask, self.bias)
