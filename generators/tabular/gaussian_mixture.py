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
from generators.tabular.frame import ConditionalDensity, NoiseSampler, TabularDensity
from generators.tabular.precision import in_double_precision
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


class MixtureDensity(NoiseSampler, ConditionalDensity):
    """Mixture of normal distributions N(µ, (AᵀA)⁻¹), A lower triangular with a positive diagonal.

    A, the inverse of a Cholesky factor of the covariance, makes the density a product and a draw a triangular solve.
    """

    rows: Tensor
    columns: Tensor
    to_rows: Tensor

    def __init__(self, features: int, context: int, *, components: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.features, self.components = features, components
        rows, columns = torch.tril_indices(features, features, offset=-1)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)
        self.register_buffer("to_rows", torch.eye(features)[rows], persistent=False)
        self.sizes = [1, features, features, len(rows)]
        start = torch.zeros(components, sum(self.sizes))
        # Means apart from each other, so that no two components learn the same.
        start[:, 1 : features + 1] = torch.randn(components, features)
        self.network = ContextMLP(context, start.flatten(), hidden=hidden, layers=layers)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,)."""
        return -self._log_density(z, c)

    def log_density(self, z: Tensor, c: Tensor) -> Tensor:
        """Log p(z | c), (N,), in double precision for good."""
        in_double_precision(self)
        return self._log_density(z.double(), c.double())

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """See `NoiseSampler`: the first number chooses the component."""
        return (1 + self.features,)

    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        """See `NoiseSampler`; in double precision."""
        in_double_precision(self)
        log_share, *parts = self.parameters_at(c.double())
        at = torch.special.ndtr(noise[:, :1].double())
        # The last share is left out: what rounding keeps from adding up to one belongs to it.
        chosen = (at > log_share.exp().cumsum(dim=1)[:, :-1]).sum(dim=1)
        mean, log_scale, below = (part[torch.arange(c.shape[0], device=c.device), chosen] for part in parts)
        factor, right = self.factor(log_scale, below), noise[:, 1:, None].double()
        away: Tensor = torch.linalg.solve_triangular(factor, right, upper=False)
        return mean + away[..., 0]

    def _log_density(self, z: Tensor, c: Tensor) -> Tensor:
        log_share, mean, log_scale, below = self.parameters_at(c)
        away = z[:, None] - mean
        # The product with the triangle: a sum over its entries, and the rows they are in by one matrix.
        noise = log_scale.exp() * away + (below * away[..., self.columns]) @ self.to_rows
        log_normal = (log_scale - 0.5 * (noise.square() + math.log(2 * math.pi))).sum(dim=2)
        return torch.logsumexp(log_share + log_normal, dim=1)

    def parameters_at(self, c: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log-shares (N, K), µ (N, K, D), and of A log-diagonal (N, K, D) and entries below it (N, K, D(D − 1)/2)."""
        parameters = self.network(c if c.shape[1] else None, c.shape[0])
        parameters = parameters.reshape(c.shape[0], self.components, sum(self.sizes))
        share, mean, scale, below = torch.split(parameters, self.sizes, dim=2)
        return share[..., 0].log_softmax(dim=1), mean, bounded(scale, _LOG_SCALE), below

    def factor(self, log_scale: Tensor, below: Tensor) -> Tensor:
        """A (…, D, D) from the logarithm of its diagonal and the entries below it."""
        square = torch.diag_embed(log_scale.exp()).flatten(-2)
        square = square.index_copy(-1, self.rows * self.features + self.columns, below)
        return square.reshape(*log_scale.shape, self.features)
