"""Mixture-density network: a few normal distributions whose parameters follow the context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from generators.flows.sizes import require_sizes
from generators.networks.context_mlp import ContextMLP
from generators.networks.normal_mixture import NormalMixture
from generators.registry import register
from generators.tabular.base import ConditionalDensity, LikelihoodDensity, NoiseSampler, TabularDensity
from generators.tabular.precision import settled_precision
from generators.training.settings import TrainingSettings

#: Largest logarithm of the width of a component behind the bijection.
_FARTHEST = 5.0


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

    @override
    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        (features,) = shape
        return MixtureDensity(features, context, components=self.components, hidden=self.hidden, layers=self.layers)


class MixtureDensity(NoiseSampler, LikelihoodDensity):
    """A mixture of normal distributions whose parameters are a function of the context."""

    def __init__(self, features: int, context: int, *, components: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.features = features
        # The first number chooses the component.
        self.random_numbers = (1 + features,)
        self.mixture = NormalMixture(features, components, farthest=_FARTHEST)
        start = torch.zeros(components, self.mixture.parameters_of_one)
        # Means apart from each other, so that no two components learn the same.
        start[:, 1 : features + 1] = torch.randn(components, features)
        self.network = ContextMLP(context, start.flatten(), hidden=hidden, layers=layers)

    @override
    def log_likelihood(self, z: Tensor, c: Tensor) -> Tensor:
        return self.mixture.log_prob(z, *self.parameters_at(c))

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        """In double precision, see `settled_precision`."""
        noise = noise.to(settled_precision(self))
        at = torch.special.ndtr(noise[:, :1])
        return self.mixture.draw(at, noise[:, 1:], *self.parameters_at(c.to(noise.dtype)))

    def parameters_at(self, c: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What `NormalMixture.split` gives at c (N, C)."""
        return self.mixture.split(self.network(c if c.shape[1] else None, c.shape[0]))
