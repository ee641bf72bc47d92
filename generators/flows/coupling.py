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
        sizes = [max(1, len(self.given) + context), *[hidden] * layers]
        self.hidden = nn.Sequential(*(part for n, m in pairwise(sizes) for part in (nn.Linear(n, m), nn.SiLU())))
        self.final = nn.Linear(hidden, (3 * bins - 1) * len(self.transformed))
        with torch.no_grad():
            # Near zero, so that all splines start alike.
            self.final.weight.mul_(0.1)
            self.final.bias.zero_()

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the latent side."""
        part = x[:, self.transformed].t().contiguous()
        z, log_slope = rational_quadratic(part, self._parameters_at(x, context), bound=self.bound)
        return x.index_copy(1, self.transformed, z.t()), log_slope.sum(dim=0)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the data side."""
        part = z[:, self.transformed].t().contiguous()
        x, log_slope = rational_quadratic_inverse(part, self._parameters_at(z, context), bound=self.bound)
        return z.index_copy(1, self.transformed, x.t()), log_slope.sum(dim=0)

    def _parameters_at(self, x: Tensor, context: Tensor | None) -> Tensor:
        """Spline parameters (P, T, N) of the T transformed features."""
        seen = torch.cat([x[:, self.given]] + ([] if context is None else [context]), dim=1)
        h = self.hidden(seen if seen.shape[1] else x.new_ones(len(x), 1))
        # Asked for in the order in which the splines want it.
        out = torch.addmm(self.final.bias[:, None], self.final.weight, h.t())
        return out.view(len(out) // len(self.transformed), len(self.transformed), len(x))


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
