"""Variational autoencoder of feature vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from generators.conditional_network import ConditionalNetwork, device_of
from generators.errors import HyperparameterError, ShapeError
from generators.flows.sizes import require_sizes
from generators.networks.context_mlp import bounded
from generators.networks.perceptron import Perceptron
from generators.objective import Objective
from generators.one_phase import OnePhase
from generators.protocols import Array
from generators.registry import register
from generators.tabular.base import CHUNK, NoiseSampler, TabularGenerator, check_features
from generators.training.settings import TrainingSettings

#: Largest logarithm of a width, of latent variables and of features.
_FARTHEST = 5.0


@register
@dataclass(kw_only=True, eq=False)
class VariationalAutoencoder(OnePhase["Autoencoder"], TabularGenerator["Autoencoder"]):
    """Variational autoencoder (Kingma & Welling, 1312.6114) with the context on both sides.

    Encoder and decoder are perceptrons with `layers` hidden layers of `hidden` units, between which lie `latent` normal
    variables, by default as many as there are features; the decoder gives mean and width of every feature. `beta`
    multiplies the divergence of the latent variables from their prior in the training (Higgins et al., ICLR 2017).

    Its density is an integral that nobody knows: `evidence_bound` and `importance_weighted` are below its logarithm.
    """

    kind: ClassVar[str] = "vae"

    hidden: int = 64
    layers: int = 2
    latent: int | None = None
    beta: float = 1.0
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(steps=2000, batch_size=1024, learning_rate=4e-3, ema_decay=0.99)
    )

    def __post_init__(self) -> None:
        latent = 1 if self.latent is None else self.latent
        require_sizes(self.kind, hidden=self.hidden, layers=self.layers, latent=latent)
        if not 0 < self.beta < math.inf:
            raise HyperparameterError(f"beta = {self.beta} of {self.kind} must be positive.")

    @override
    def build(self, shape: tuple[int, ...], context: int) -> Autoencoder:
        (features,) = shape
        latent = features if self.latent is None else self.latent
        return Autoencoder(features, context, latent, hidden=self.hidden, layers=self.layers)

    @override
    def objective(self, network: Autoencoder) -> EvidenceBound:
        return EvidenceBound(network, self.beta)

    def evidence_bound(self, x: Array, context: Array, *, seed: int, samples: int = 16) -> NDArray[np.float64]:
        """Bound of log p(x | c) from below, (N,), for x (N, D) and context (N, C), per unit of x.

        The mean over the encoder's latent variables and the kept states, estimated without bias from `samples` each.
        """
        return self._log_weights(x, context, seed, samples).mean(dim=0).numpy()

    def importance_weighted(self, x: Array, context: Array, *, seed: int, samples: int = 64) -> NDArray[np.float64]:
        """Estimate of log p(x | c), (N,), that is too low in the mean, the less the more `samples` of every state.

        Burda et al., 1509.00519.
        """
        weights = self._log_weights(x, context, seed, samples)
        return (torch.logsumexp(weights, dim=0) - math.log(len(weights))).numpy()

    def _log_weights(self, x: Array, context: Array, seed: int, samples: int) -> Tensor:
        """Log of p(x, u | c) / q(u | x, c) for `samples` latent u of every state, (states · samples, N)."""
        raw, c = self._context(context)
        rows = np.asarray(x, np.float64)
        if samples < 1:
            raise HyperparameterError(f"samples = {samples} must be at least 1.")
        check_features(rows, context, np.ones(len(rows)), minimum=0)
        if rows.shape[1] != self.features_:
            raise ShapeError(f"x has {rows.shape[1]} features; this generator was fitted with {self.features_}.")
        at = torch.as_tensor(rows)
        generator = torch.Generator().manual_seed(seed)
        out = torch.empty(len(self.networks_) * samples, len(at), dtype=torch.float64)
        with torch.no_grad():
            for chunk in torch.split(torch.arange(len(at)), max(1, CHUNK // samples)):
                for place, network in enumerate(self.networks_):
                    for own in range(place * samples, (place + 1) * samples):
                        # Noise of discrete columns is drawn anew as well: its mean is a bound of its own.
                        noise = torch.rand(at[chunk].shape, generator=generator, dtype=torch.float64)
                        z, log_det = self.bijection_.forward(at[chunk], raw[chunk], noise)
                        latent = torch.randn(len(chunk), network.latent, generator=generator)
                        device = device_of(network)
                        weight = network.log_weight(z.float().to(device), c[chunk].to(device), latent.to(device))
                        out[own, chunk] = weight.double().cpu() + log_det
        return out


class Autoencoder(NoiseSampler, ConditionalNetwork):
    """Encoder and decoder."""

    def __init__(self, features: int, context: int, latent: int, *, hidden: int, layers: int) -> None:
        super().__init__()
        self.features, self.latent = features, latent
        # Latent variables, and what the decoder leaves open.
        self.random_numbers = (latent + features,)
        sizes = {"hidden": hidden, "layers": layers}
        self.encoder = Perceptron(features, context, 2 * latent, **sizes, activation=nn.SiLU)
        self.decoder = Perceptron(latent, context, 2 * features, **sizes, activation=nn.SiLU)

    def log_weight(self, z: Tensor, c: Tensor, noise: Tensor) -> Tensor:
        """Log of p(z, u | c) / q(u | z, c), (N,), for the latent u that the encoder makes of noise (N, latent)."""
        mean, log_scale = self.encoded(z, c)
        u = mean + noise * log_scale.exp()
        # The constants of both normal densities of u cancel.
        ratio = 0.5 * (noise.square() - u.square()) + log_scale
        return ratio.sum(dim=1) + self.log_likelihood(z, u, c)

    def encoded(self, z: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the width of the latent variables, (N, latent) each."""
        return _mean_and_width(self.encoder(z, c))

    @override
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        own = noise.to(c.dtype)
        mean, log_scale = _mean_and_width(self.decoder(own[:, : self.latent], c))
        return mean + own[:, self.latent :] * log_scale.exp()

    def log_likelihood(self, z: Tensor, u: Tensor, c: Tensor) -> Tensor:
        """Log p(z | u, c), (N,), of the decoder."""
        mean, log_scale = _mean_and_width(self.decoder(u, c))
        pull = (z - mean) * torch.exp(-log_scale)
        return -(0.5 * pull.square() + log_scale + 0.5 * math.log(2 * math.pi)).sum(dim=1)


class EvidenceBound(Objective[Autoencoder]):
    """Minus the evidence bound of every event, with one latent sample and `beta` times the known divergence."""

    def __init__(self, network: Autoencoder, beta: float) -> None:
        super().__init__(network)
        self.beta = beta

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        mean, log_scale = self.network.encoded(z, c)
        u = mean + torch.randn_like(mean) * log_scale.exp()
        divergence = 0.5 * (mean.square() + (2 * log_scale).exp() - 1) - log_scale
        return self.beta * divergence.sum(dim=1) - self.network.log_likelihood(z, u, c)


def _mean_and_width(parameters: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_scale = parameters.chunk(2, dim=1)
    return mean, bounded(log_scale, _FARTHEST)
