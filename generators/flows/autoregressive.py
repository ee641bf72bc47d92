"""Autoregressive transforms: every feature through a map that depends on the features before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from generators.flows.rational_quadratic import rational_quadratic, rational_quadratic_inverse
from generators.networks.masked_mlp import MaskedMLP


class AutoregressiveSpline(nn.Module):
    """Rational-quadratic splines (Durkan et al., 1906.04032) whose parameters come from a masked perceptron.

    Forward and inverse map (N, D) with context (N, C) or None to (N, D) and log|det| (N,), as transforms of nflows do.
    Forward is one pass of the network, inverse one pass per feature.
    """

    def __init__(self, features: int, context: int, *, hidden: int, layers: int, bins: int, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.network = MaskedMLP(features, context, hidden=hidden, layers=layers, parameters=3 * bins - 1)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the latent side."""
        z, log_slope = rational_quadratic(x.t().contiguous(), self.network(x, context), bound=self.bound)
        return z.t(), log_slope.sum(dim=0)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """To the data side, feature by feature."""
        x = torch.zeros_like(z)
        log_slope = torch.zeros_like(z[:, 0])
        for index in range(z.shape[1]):
            parameters = self.network(x, context)[:, index].contiguous()
            column, log_part = rational_quadratic_inverse(z[:, index], parameters, bound=self.bound)
            x = torch.cat([x[:, :index], column[:, None], x[:, index + 1 :]], dim=1)
            log_slope = log_slope + log_part
        return x, log_slope


class Reversal(nn.Module):
    """Reverses the order of the features, so that the next autoregressive map conditions the other way round."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(N, D) to (N, D), volume preserving."""
        return x.flip(1), x.new_zeros(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Its own inverse."""
        return self.forward(z)
