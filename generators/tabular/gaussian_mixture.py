"""Mixture-density network: a few normal distributions whose parameters follow the context."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from generators.flows.stacks import require_sizes
from generators.networks.context_mlp import ContextMLP, bounded
from generators.registry import register
from generators.tabular.frame import ConditionalDensity, TabularDensity
from generators.training.settings import TrainingSettings

#: Largest logarithm of a scale: no component can collapse onto a single event.
_LOG_SCALE = 5.0


@register
@dataclass(kw_only=True, eq=False)
class GaussianMixture(TabularDensity):
    """Mixture-density network (Bishop, NCRG/94/004, 1994) with full covariances.

    Shares, means and covariances of `components` normal distributions come from a network of the context with `layers`
    hidden layers of `hidden` units. The baseline that needs no flow; its draws are exact and as quick as any.
    """

    kind: ClassVar[str] = "gaussian_mixture"

    components: int = 16
    hidden: int = 64
    layers: int = 2
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=1500, batch_size=2048, learning_rate=5e-3, weight_decay=1e-5, ema_decay=0.99
        )
    )

    def __post_init__(self) -> None:
        require_sizes(self.kind, components=self.components, hidden=self.hidden, layers=self.layers)

    def build(self, features: int, context: int) -> ConditionalDensity:
        """See `TabularDensity`."""
        return MixtureDensity(features, context, components=self.components, hidden=self.hidden, layers=self.layers)


class MixtureDensity(ConditionalDensity):
    """Mixture of normal distributions N(µ, (AᵀA)⁻¹), A lower triangular with a positive diagonal.

    A, the inverse of a Cholesky factor of the covariance, makes the density a product and a draw a triangular solve.
    """

    def __init__(self, features: int, context: int, *, components: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.features, self.components = features, components
        start = torch.zeros(components, 1 + features + features**2)
        # Means apart from each other, so that no two components learn the same.
        start[:, 1 : features + 1] = torch.randn(components, features)
        self.network = ContextMLP(context, start.flatten(), hidden=hidden, layers=layers)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,)."""
        return -self._log_density(z, c)

    def log_density(self, z: Tensor, c: Tensor) -> Tensor:
        """Log p(z | c), (N,), in double precision for good."""
        return self.double()._log_density(z.double(), c.double())

    def draw(self, c: Tensor, generator: torch.Generator) -> Tensor:
        """One z per row of c, (N, D), in double precision."""
        log_share, mean, factor, _ = self.double().parameters_at(c.double())
        at = torch.rand(c.shape[0], 1, generator=generator, dtype=torch.float64)
        # The last share is left out: what rounding keeps from adding up to one belongs to it.
        chosen = (at > log_share.exp().cumsum(dim=1)[:, :-1]).sum(dim=1)
        rows = torch.arange(c.shape[0])
        noise = torch.randn(c.shape[0], self.features, 1, generator=generator, dtype=torch.float64)
        away: Tensor = torch.linalg.solve_triangular(factor[rows, chosen], noise, upper=False)
        return mean[rows, chosen] + away[..., 0]

    def _log_density(self, z: Tensor, c: Tensor) -> Tensor:
        log_share, mean, factor, log_scale = self.parameters_at(c)
        noise = (factor @ (z[:, None] - mean)[..., None])[..., 0]
        log_normal = (log_scale - 0.5 * (noise.square() + math.log(2 * math.pi))).sum(dim=2)
        return torch.logsumexp(log_share + log_normal, dim=1)

    def parameters_at(self, c: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log-shares (N, K), µ (N, K, D), A (N, K, D, D) and the logarithm of its diagonal (N, K, D)."""
        parameters = self.network(c if c.shape[1] else None, c.shape[0])
        parameters = parameters.reshape(c.shape[0], self.components, 1 + self.features + self.features**2)
        mean = parameters[..., 1 : self.features + 1]
        square = parameters[..., self.features + 1 :].unflatten(2, (self.features, self.features))
        log_scale = bounded(square.diagonal(dim1=2, dim2=3), _LOG_SCALE)
        factor = square.tril(-1) + torch.diag_embed(log_scale.exp())
        return parameters[..., 0].log_softmax(dim=1), mean, factor, log_scale
