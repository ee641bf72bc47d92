"""What teaches the parts of BIB-AE (2005.05334): critics of showers and of latent variables, and kernels of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generators.adversarial.losses import Wasserstein
from generators.adversarial.regularisation import gradient_penalty
from generators.networks.volumes import PairCritic
from generators.showers.bib_ae_network import BibAe
from generators.tabular.base import ConditionalDensity, log_likelihood

#: Sharpness of the kernels of latent vectors.
_LATENT_KERNELS = (1.0, 0.01)


@dataclass(frozen=True)
class SortedKernels:
    """Voxels in falling order, compared in windows: `window` of them every `stride`, of the first `cutoff`.

    `sharpness` are the α of kernels exp(−α Δ²) of the energies of two voxels.
    """

    sharpness: tuple[float, ...]
    window: int
    stride: int
    cutoff: int

    def __call__(self, made: Tensor, true: Tensor) -> Tensor:
        """Mean over windows of the squared mean discrepancy of voxels (N, V) of both, each in falling order, (N,)."""
        end = min(self.cutoff, made.shape[1])
        starts = range(0, end, self.stride)
        total = made.new_zeros(len(made))
        for start in starts:
            a, b = (part[:, start : start + self.window] for part in (made, true))
            for alpha in self.sharpness:
                total = total + _kernel(a, a, alpha) + _kernel(b, b, alpha) - 2 * _kernel(a, b, alpha)
        return total / (len(starts) * len(self.sharpness))


def _kernel(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """Mean kernel (N,) of all pairs of voxels (N, W) of the same shower."""
    return torch.exp(-alpha * (a[:, :, None] - b[:, None, :]).square()).mean(dim=(1, 2))


def latent_discrepancy(z: Tensor, normal: Tensor) -> Tensor:
    """Squared mean discrepancy of latent vectors (N, K) and as many normal ones, over the batch, ()."""
    total = z.new_zeros(())
    for alpha in _LATENT_KERNELS:
        each = [
            torch.exp(-alpha * (a[:, None] - b[None]).square().sum(dim=2)).mean()
            for a, b in ((z, z), (normal, normal), (z, normal))
        ]
        total = total + each[0] + each[1] - 2 * each[2]
    return total


class LatentCritic(nn.Module):
    """Scores (M,) of single latent variables (M, 1)."""

    def __init__(self) -> None:
        super().__init__()
        pieces: list[nn.Module] = []
        for before, after in ((1, 50), (50, 100), (100, 50)):
            pieces += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
        self.score = nn.Sequential(*pieces, nn.Linear(50, 1))

    def forward(self, z: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.score(z)
        return out[:, 0]


class PairLoss(nn.Module):
    """Loss of the critic of pairs: (x, x) is true, (x, what is reconstructed of it) is not."""

    def __init__(self, maker: BibAe, critic: PairCritic, penalty: float) -> None:
        super().__init__()
        self.maker, self.critic, self.penalty = maker, critic, penalty

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,)."""
        with torch.no_grad():
            true = self.maker.volume(x)
            made = self.maker.reconstructed(true, c)[0]
        known = self.maker.known(c)
        pairs = [torch.stack([true, second], dim=1) for second in (true, made)]
        loss = Wasserstein().of_critic(*(self.critic(pair, known) for pair in pairs))
        return loss + self.penalty * gradient_penalty(lambda between: self.critic(between, known), *pairs)


class LatentLoss(nn.Module):
    """Loss of the critic of latent variables, each by itself: normal ones are true."""

    def __init__(self, maker: BibAe, critic: LatentCritic, penalty: float) -> None:
        super().__init__()
        self.maker, self.critic, self.penalty = maker, critic, penalty

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,)."""
        with torch.no_grad():
            made = self.maker.encoded(self.maker.volume(x), c)[0]
        both = [part.reshape(-1, 1) for part in (torch.randn_like(made), made)]
        loss = Wasserstein().of_critic(*(self.critic(part) for part in both))
        return (loss + self.penalty * gradient_penalty(self.critic, *both)).view(made.shape).mean(dim=1)


@dataclass(frozen=True)
class Weights:
    """Of the terms of the autoencoder: the critics of pairs and of latent variables, kernels of these, divergence.

    `distance` is that of the mean square between shower and reconstruction, which the paper has not.
    """

    pairs: float
    latent_critic: float
    latent_kernels: float
    divergence: float
    distance: float


class AutoencoderLoss(nn.Module):
    """What encoder and decoder lose, see `Weights`."""

    def __init__(self, maker: BibAe, critic: PairCritic, latent: LatentCritic, weights: Weights) -> None:
        super().__init__()
        self.maker, self.critic, self.latent, self.weights = maker, critic, latent, weights

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,)."""
        weights, true = self.weights, self.maker.volume(x)
        made, z, divergence = self.maker.reconstructed(true, c)
        loss: Tensor = -weights.pairs * self.critic(torch.stack([true, made], dim=1), self.maker.known(c))
        loss = loss + weights.divergence * divergence
        if weights.distance:
            loss = loss + weights.distance * (made - true).square().flatten(1).sum(dim=1)
        if weights.latent_critic:
            loss = loss - weights.latent_critic * self.latent(z.reshape(-1, 1)).view(z.shape).mean(dim=1)
        if weights.latent_kernels:
            loss = loss + weights.latent_kernels * latent_discrepancy(z, torch.randn_like(z))
        return loss


class PostLoss(nn.Module):
    """What the post-processor loses: at first, for `imitating` steps, the distance to its input alone.

    Then there are `weight` times the kernels of sorted voxels and `error` times their mean square and mean distance.
    """

    made_steps: Tensor

    def __init__(self, maker: BibAe, kernels: SortedKernels, *, weight: float, error: float, imitating: int) -> None:
        super().__init__()
        self.maker, self.kernels, self.weight, self.error, self.imitating = maker, kernels, weight, error, imitating
        self.register_buffer("made_steps", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,)."""
        true = self.maker.volume(x)
        with torch.no_grad():
            before = self.maker.reconstructed(true, c)[0]
        after = self.maker.processed(before, c)
        loss = (after - before).square().flatten(1).mean(dim=1)
        if self.training:
            self.made_steps += 1
        if int(self.made_steps) <= self.imitating:
            return loss
        made, due = (part.flatten(1).sort(dim=1, descending=True).values for part in (after, true))
        if self.error:
            difference = made - due
            loss = loss + self.error * (difference.square().mean(dim=1) + difference.abs().mean(dim=1))
        return loss + self.weight * self.kernels(made, due)


class FlowLoss(nn.Module):
    """−log q of latent vectors and of the energy of showers, which are drawn anew of the encoder every time, (N,)."""

    def __init__(self, maker: BibAe, flow: ConditionalDensity) -> None:
        super().__init__()
        self.maker, self.flow = maker, flow

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """See the class."""
        with torch.no_grad():
            u = self.maker.latents(self.maker.volume(x), c)
        return -log_likelihood(self.flow, u, self.maker.known(c))


def kernels_of(sharpness: Sequence[float], window: int, stride: int, cutoff: int) -> SortedKernels:
    """Those of a specification."""
    return SortedKernels(tuple(float(alpha) for alpha in sharpness), window, stride, cutoff)
