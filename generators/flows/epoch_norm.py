"""Normalisation between the blocks of a flow that depends on no batch once an epoch is over."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EpochNorm(nn.Module):
    """The batch normalisation of CATHODE's flow (2109.00546).

    While training, a batch is normalised by its own moments. The moments that apply afterwards are not running means:
    after every epoch they are set by one pass of the whole training sample, so that a density depends on no batch and a
    bad batch can not poison it. A learned scale and shift follow.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, features: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.log_scale = nn.Parameter(torch.zeros(features))
        self.shift = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Normalise x (N, D) whatever the context; log|det| (N,)."""
        # A single row has no variance of its own.
        mean, variance = self._moments(x) if self.training and x.shape[0] > 1 else (self.mean, self.variance)
        y = (x - mean) * variance.rsqrt() * self.log_scale.exp() + self.shift
        return y, (self.log_scale - 0.5 * variance.log()).sum().expand(x.shape[0])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Undo `forward` as it is outside of training."""
        x = (y - self.shift) * torch.exp(-self.log_scale) * self.variance.sqrt() + self.mean
        return x, (0.5 * self.variance.log() - self.log_scale).sum().expand(y.shape[0])

    def observe(self, x: Tensor) -> None:
        """Take the moments of x (N, D) as those that apply outside of training."""
        mean, variance = self._moments(x)
        self.mean.copy_(mean)
        self.variance.copy_(variance)

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.mean(dim=0)
        return mean, (x - mean).square().mean(dim=0) + self.epsilon
