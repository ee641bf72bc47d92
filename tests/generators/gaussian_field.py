"""Data for which the best field on the circle has a closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generators.continuous.velocities import RIGHT


def seeded(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers in double precision."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclass(frozen=True)
class Gaussians:
    """A mixture of normal distributions: weights (M,), means (M, D), covariances (M, D, D)."""

    weights: Tensor
    means: Tensor
    covariances: Tensor

    def at(self, angle: Tensor) -> Gaussians:
        """The distribution of sin φ data + cos φ noise."""
        sin, cos = torch.sin(angle), torch.cos(angle)
        eye = torch.eye(self.means.shape[1], dtype=torch.float64)
        return Gaussians(self.weights, sin * self.means, sin**2 * self.covariances + cos**2 * eye)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (N,) at x (N, D)."""
        away = x - self.means[:, None]
        each = self._each(away, -away @ torch.linalg.inv(self.covariances))
        return torch.logsumexp(each, dim=0) - 0.5 * x.shape[1] * math.log(2 * math.pi)

    def score(self, x: Tensor) -> Tensor:
        """Gradient of the log-density."""
        away = x - self.means[:, None]
        pulls = -away @ torch.linalg.inv(self.covariances)
        share = torch.softmax(self._each(away, pulls), dim=0)
        return (share[:, :, None] * pulls).sum(dim=0)

    def draw(self, n: int, seed: int) -> Tensor:
        """Rows (n, D)."""
        generator = torch.Generator().manual_seed(seed)
        which = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        roots = torch.linalg.cholesky(self.covariances)[which]
        normal = torch.randn(n, self.means.shape[1], 1, generator=generator, dtype=torch.float64)
        return self.means[which] + (roots @ normal)[:, :, 0]

    def _each(self, away: Tensor, pulls: Tensor) -> Tensor:
        """Log of weight and density of every component, (M, N), but for what all have in common."""
        squares = 0.5 * (away * pulls).sum(dim=2)
        return (self.weights.log() - 0.5 * torch.logdet(self.covariances))[:, None] + squares


class BestField(nn.Module):
    """The field that a perfect training would find, in the place of a network with times by angle.

    With the score s of x = sin φ data + cos φ noise, the expected noise is −cos φ s and the expected data
    (x + cos²φ s) / sin φ, so the rate of change with the angle is (cos φ x + cos φ s) / sin φ.
    """

    def __init__(self, data: Gaussians, angle_of: Callable[[Tensor], Tensor] = lambda t: t * RIGHT) -> None:
        super().__init__()
        self.data, self.angle_of = data, angle_of

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """The field (N, D) at one time for all rows."""
        # Below, the two terms in the numerator cancel to more digits than there are.
        angle = self.angle_of(t.double()).clamp_min(1e-5)
        flat = x.flatten(1).double()
        score = self.data.at(angle).score(flat)
        return ((torch.cos(angle) / torch.sin(angle)) * (flat + score)).reshape(x.shape).to(x.dtype)

    def forward_rows(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """The field (N, D) at a time for every row, for one component only."""
        (mean,), (covariance,) = self.data.means, self.data.covariances
        widths, axes = torch.linalg.eigh(covariance)
        angle = self.angle_of(t.double()).clamp_min(1e-5).expand(len(x))[:, None]
        sin, cos = torch.sin(angle), torch.cos(angle)
        score = -(((x - sin * mean) @ axes) / (sin**2 * widths + cos**2)) @ axes.T
        return (cos / sin) * (x + score)


def one_gaussian(d: int) -> Gaussians:
    """Correlated, shifted, not of unit variance."""
    root = 0.5 * seeded(d, d, seed=11) + 0.6 * torch.eye(d, dtype=torch.float64)
    return Gaussians(torch.ones(1, dtype=torch.float64), 0.5 * seeded(1, d, seed=12), (root @ root.T)[None])


def two_gaussians() -> Gaussians:
    """Two well separated peaks in two dimensions with unequal weights and widths."""
    return Gaussians(
        torch.tensor([0.7, 0.3], dtype=torch.float64),
        torch.tensor([[-0.7, 0.5], [1.2, -0.8]], dtype=torch.float64),
        torch.stack([0.09 * torch.eye(2), torch.tensor([[0.16, 0.1], [0.1, 0.16]])]).double(),
    )


def normal_log_prob(noise: Tensor) -> Tensor:
    """Log-density of independent standard normal columns."""
    return -0.5 * (noise.square() + math.log(2 * math.pi)).flatten(1).sum(dim=1)
