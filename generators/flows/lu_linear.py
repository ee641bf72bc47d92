"""Linear map of all features at once, by its triangular factors."""

from __future__ import annotations

import torch
from nflows.transforms.base import Transform
from torch import Tensor

from generators.networks.context_mlp import ContextMLP, bounded

#: Largest logarithm of a scale, and largest entry off the diagonals.
_LOG_SCALE = 8.0
_LARGEST = 10.0


class LULinear(Transform):  # type: ignore[misc]
    """z = L S U x + b with unit triangular L and U and a positive diagonal S, all of them functions of the context.

    The LU layer of Glow (Kingma & Dhariwal, 1807.03039) without a permutation. The inverse is two triangular solves.
    Without context there is one matrix for all rows.
    """

    def __init__(self, features: int, context: int = 0, *, hidden: int = 32, layers: int = 1) -> None:
        super().__init__()
        self.features = features
        self.network = ContextMLP(context, torch.zeros(features * (features + 1)), hidden=hidden, layers=layers)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x (N, D) to z (N, D) and log|det dz/dx| (N,)."""
        lower, log_scale, upper, shift = self._parameters_at(context, x.shape[0])
        y = (_grouped(x, context) @ upper.mT) * log_scale.exp()
        return (y @ lower.mT + shift).reshape(x.shape), log_scale.sum(dim=(1, 2)).expand(x.shape[0])

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map z (N, D) back to x (N, D) and log|det dx/dz| (N,)."""
        lower, log_scale, upper, shift = self._parameters_at(context, z.shape[0])
        rows = _grouped(z, context) - shift
        # Rows are solved from the right: y Lᵀ = z − b.
        y = torch.linalg.solve_triangular(lower.mT, rows, upper=True, left=False, unitriangular=True)
        y = y * torch.exp(-log_scale)
        x = torch.linalg.solve_triangular(upper.mT, y, upper=False, left=False, unitriangular=True)
        return x.reshape(z.shape), -log_scale.sum(dim=(1, 2)).expand(z.shape[0])

    def _parameters_at(self, context: Tensor | None, rows: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """L (G, D, D), log S (G, 1, D), U (G, D, D) and b (G, 1, D) of all groups of rows with the same context."""
        parameters = self.network(context, 1 if context is None else rows)
        shift, square = parameters[:, None, : self.features], parameters[:, self.features :]
        square = square.reshape(-1, self.features, self.features)
        one = torch.eye(self.features, dtype=square.dtype, device=square.device)
        log_scale = bounded(square.diagonal(dim1=1, dim2=2), _LOG_SCALE)
        mixing = bounded(square, _LARGEST)
        return mixing.tril(-1) + one, log_scale[:, None], mixing.triu(1) + one, shift


def _grouped(x: Tensor, context: Tensor | None) -> Tensor:
    """Rows (N, D) as (G, N/G, D): one group without context, else every row a group."""
    return x[None] if context is None else x[:, None]
