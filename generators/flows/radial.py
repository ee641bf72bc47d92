"""Radial flow: space is drawn to a point or pushed away from it."""

from __future__ import annotations

import torch
from nflows.transforms.base import Transform
from torch import Tensor
from torch.nn import functional

from generators.networks.context_mlp import ContextMLP, bounded

#: Smallest slope at the point, largest excess over one, and largest logarithm of the radius.
_MINIMUM_SLOPE = 0.05
_MAXIMUM_EXCESS = 20.0
_LOG_RADIUS = 3.0

#: Nothing moves so far from the point, and its square is still a number in single precision.
_FAR = 1e15


class Radial(Transform):  # type: ignore[misc]
    """z = x + β (x − x₀)/(α + |x − x₀|) (Rezende & Mohamed, 1505.05770), from the data to the latent side.

    x₀, the radius α and the strength β are functions of the context; α lies in [0.05, 20] and β/α in [−0.95, 20]. Any
    β > −α is invertible, by the solution of a quadratic equation for |x − x₀|.
    """

    def __init__(self, features: int, context: int, *, hidden: int, layers: int) -> None:
        super().__init__()
        self.features = features
        start = torch.randn(features + 2)
        start[:2] *= 0.1
        self.network = ContextMLP(context, start, hidden=hidden, layers=layers)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x (N, D) to z (N, D) and log|det dz/dx| (N,)."""
        centre, radius, strength = self._parameters_at(context, x.shape[0])
        away = x - centre
        distance = torch.linalg.vector_norm(away, dim=1)
        return x + (strength / (radius + distance))[:, None] * away, self._log_det(distance, radius, strength)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map z (N, D) back to x (N, D) and log|det dx/dz| (N,)."""
        centre, radius, strength = self._parameters_at(context, z.shape[0])
        away = z - centre
        moved = torch.linalg.vector_norm(away, dim=1).clamp(max=_FAR)
        # r² + p r − αρ = 0 for r = |x − x₀| and ρ = |z − x₀|.
        p = radius + strength - moved
        distance = 0.5 * ((p.square() + 4 * radius * moved).sqrt() - p)
        back = strength / (radius + strength + distance)
        return z - back[:, None] * away, -self._log_det(distance, radius, strength)

    def _log_det(self, distance: Tensor, radius: Tensor, strength: Tensor) -> Tensor:
        """D − 1 directions across and one along the line to the point."""
        across = strength / (radius + distance)
        along = across * radius / (radius + distance)
        return (self.features - 1) * torch.log1p(across) + torch.log1p(along)

    def _parameters_at(self, context: Tensor | None, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """x₀ (N, D), α and β (N,)."""
        parameters = self.network(context, rows)
        radius = bounded(parameters[:, 0], _LOG_RADIUS).exp()
        room = 1 - _MINIMUM_SLOPE
        excess = room * functional.elu(bounded(parameters[:, 1], _MAXIMUM_EXCESS) / room)
        return parameters[:, 2:], radius, radius * excess
