"""Mixtures of normal distributions with parameters that a network gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from generators.networks.context_mlp import bounded


class NormalMixture(nn.Module):
    """K components N(µ, (AᵀA)⁻¹) in D dimensions, A lower triangular with a positive diagonal.

    A, the inverse of a Cholesky factor of the covariance, makes the density a product and a draw a triangular solve.
    Shapes (…) of parameters and values broadcast. No logarithm of a width is larger than `farthest`, either way: no
    component can collapse onto a single event.
    """

    rows: Tensor
    columns: Tensor
    to_rows: Tensor

    def __init__(self, features: int, components: int, *, farthest: float) -> None:
        super().__init__()
        self.features, self.components, self.farthest = features, components, farthest
        rows, columns = torch.tril_indices(features, features, offset=-1)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)
        self.register_buffer("to_rows", torch.eye(features)[rows], persistent=False)
        self.sizes = [1, features, features, len(rows)]

    @property
    def parameters_of_one(self) -> int:
        """Numbers that describe a component."""
        return sum(self.sizes)

    def split(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log-shares (…, K), µ (…, K, D), and of A log-diagonal (…, K, D) and entries below it, of (…, K · size)."""
        each = parameters.reshape(*parameters.shape[:-1], self.components, self.parameters_of_one)
        share, mean, scale, below = torch.split(each, self.sizes, dim=-1)
        return share[..., 0].log_softmax(dim=-1), mean, bounded(scale, self.farthest), below

    def log_prob(self, x: Tensor, log_share: Tensor, mean: Tensor, log_scale: Tensor, below: Tensor) -> Tensor:
        """Log-density (…) of x (…, D)."""
        away = x[..., None, :] - mean
        noise = log_scale.exp() * away
        if below.shape[-1]:
            # The product with the triangle: a sum over its entries, and the rows they are in by one matrix.
            noise = noise + (below * away[..., self.columns]) @ self.to_rows
        log_normal = (log_scale - 0.5 * (noise.square() + math.log(2 * math.pi))).sum(dim=-1)
        return torch.logsumexp(log_share + log_normal, dim=-1)

    def draw(
        self, at: Tensor, noise: Tensor, log_share: Tensor, mean: Tensor, log_scale: Tensor, below: Tensor
    ) -> Tensor:
        """Values (N, D) from normal noise (N, D), of the component that the probability `at` (N, 1) chooses."""
        (index,) = chosen(at, log_share, torch.arange(self.components, device=at.device).expand_as(log_share))
        mean, log_scale, below = (_picked(part, index) for part in (mean, log_scale, below))
        away: Tensor = torch.linalg.solve_triangular(self.factor(log_scale, below), noise[..., None], upper=False)
        return mean + away[..., 0]

    def factor(self, log_scale: Tensor, below: Tensor) -> Tensor:
        """A (…, D, D) from the logarithm of its diagonal and the entries below it."""
        square = torch.diag_embed(log_scale.exp()).flatten(-2)
        square = square.index_copy(-1, self.rows * self.features + self.columns, below)
        return square.reshape(*log_scale.shape, self.features)


def chosen(at: Tensor, log_share: Tensor, *parameters: Tensor) -> Sequence[Tensor]:
    """Parameters (N,) of (N, K) of the component that the probability `at` (N, 1) chooses."""
    # The last share is left out: what rounding keeps from adding up to one belongs to it.
    index = (at > log_share.exp().cumsum(dim=1)[:, :-1]).sum(dim=1, keepdim=True)
    return [part.gather(1, index)[:, 0] for part in parameters]


def _picked(part: Tensor, index: Tensor) -> Tensor:
    return part[torch.arange(part.shape[0], device=part.device), index]
