"""Voxels over the energies of their layers, as CaloFlow takes them to numbers on the line, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.errors import HyperparameterError


@dataclass(frozen=True)
class NormalisedVoxels:
    """Voxels x (N, V) in GeV as logits z (N, V) of their shares in the energies of layers of `sizes` (2106.05285).

    Noise between 0 and `noise` GeV is added to every voxel first, and shares are squeezed by `epsilon` from both ends
    of the unit interval. On the way back each layer gets its energy exactly, and what is below `threshold` GeV is
    nothing.

    Shares of a layer add up to one, so that there is one number more for each layer than the surface has dimensions on
    which they lie: a density of z is none of the voxels.
    """

    sizes: Sequence[int]
    noise: float = 1e-6
    threshold: float = 1e-3
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        for name in ("noise", "threshold"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise HyperparameterError(f"{name} = {getattr(self, name)} of voxels must be positive, in GeV.")
        if not 0 < self.epsilon < 0.5:
            raise HyperparameterError(f"epsilon = {self.epsilon} of voxels must lie between 0 and 1/2.")

    def energies(self, x: Tensor) -> Tensor:
        """Energies of the layers (N, L) in GeV, of voxels above the threshold."""
        cut = torch.where(x >= self.threshold, x, torch.zeros_like(x))
        return torch.stack([part.sum(dim=1) for part in torch.split(cut, list(self.sizes), dim=1)], dim=1)

    def logits(self, x: Tensor, uniform: Tensor) -> Tensor:
        """Z (N, V) of voxels x (N, V), with noise `uniform` (N, V) in (0, 1)."""
        noisy = torch.where(x >= self.threshold, x, torch.zeros_like(x)) + self.noise * uniform
        parts = torch.split(noisy, list(self.sizes), dim=1)
        shares = torch.cat([part / part.sum(dim=1, keepdim=True) for part in parts], dim=1)
        return torch.logit(self.epsilon + (1 - 2 * self.epsilon) * shares)

    def voxels(self, z: Tensor, energies: Tensor) -> Tensor:
        """Voxels (N, V) in GeV of z (N, V) in layers with these energies (N, L).

        A layer whose voxels would all be below the threshold has its energy in the largest.
        """
        shares = (z.sigmoid() - self.epsilon) / (1 - 2 * self.epsilon)
        return in_layers(shares, energies, self.sizes, self.threshold)


def in_layers(shares: Tensor, energies: Tensor, sizes: Sequence[int], threshold: float) -> Tensor:
    """Voxels (N, V) of layers with these energies (N, L), in proportion to shares (N, V), nothing below the threshold.

    Shares below zero are none. A layer whose voxels would all be below the threshold has its energy in the one of the
    largest share, whatever its sign.
    """
    parts = []
    for number, part in enumerate(torch.split(shares, list(sizes), dim=1)):
        energy = energies[:, number : number + 1]
        # One even of several that are equal.
        largest = torch.arange(part.shape[1], device=part.device) == part.argmax(dim=1, keepdim=True)
        part = part.clamp_min(0)
        part = torch.where(part.sum(dim=1, keepdim=True) > 0, part, largest.to(part))
        part = energy * part / part.sum(dim=1, keepdim=True).clamp_min(torch.finfo(shares.dtype).tiny)
        kept = torch.where((part >= threshold) | largest, part, torch.zeros_like(part))
        # What is cut goes to the voxels that are left, of which none falls below the threshold.
        kept = energy * kept / kept.sum(dim=1, keepdim=True).clamp_min(torch.finfo(shares.dtype).tiny)
        parts.append(torch.where(energy >= threshold, kept, torch.zeros_like(kept)))
    return torch.cat(parts, dim=1)
