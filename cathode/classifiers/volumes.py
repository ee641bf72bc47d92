"""Residual convolutions over the voxels of a cylinder, and one number for what they see."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: Channels of the four parts over the width of the first, as in the CaloChallenge.
_PARTS = (1, 2, 2, 4)


class Convolution(nn.Module):
    """A convolution of (N, C, L, A, R) with nothing beyond the edges; angles may close to a circle."""

    def __init__(self, channels: int, out: int, *, size: int, stride: int, periodic: bool) -> None:
        super().__init__()
        self.around = size // 2 if periodic else 0
        beyond = (size // 2, 0 if periodic else size // 2, size // 2)
        self.convolution = nn.Conv3d(channels, out, size, stride=stride, padding=beyond, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        if self.around:
            # Cylinders may have fewer angles than the convolution is wide.
            places = torch.arange(-self.around, x.shape[3] + self.around, device=x.device) % x.shape[3]
            x = x.index_select(3, places)
        out: Tensor = self.convolution(x)
        return out


class _Block(nn.Module):
    """Two convolutions beside the identity, or beside a projection where shapes change (1512.03385)."""

    def __init__(self, channels: int, out: int, stride: int, periodic: bool) -> None:
        super().__init__()
        known: dict[str, Any] = {"size": 3, "periodic": periodic}
        self.body = nn.Sequential(
            Convolution(channels, out, stride=stride, **known),
            nn.BatchNorm3d(out),
            nn.ReLU(),
            Convolution(out, out, stride=1, **known),
            nn.BatchNorm3d(out),
        )
        same = stride == 1 and channels == out
        self.beside = nn.Identity() if same else nn.Conv3d(channels, out, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.relu(self.body(x) + self.beside(x))
        return out


class VolumeNetwork(nn.Module):
    """A logit (N, 1) of events (N, K + L·A·R): K other numbers, and voxels that are not negative.

    The voxels enter as they are and as logarithms, both in units that `standardise` finds; the other numbers and the
    logarithm of the sum of all voxels join in front of the last layers, since norms take away how large a shower is.
    """

    def __init__(self, shape: tuple[int, int, int], others: int, *, width: int, blocks: int, periodic: bool) -> None:
        super().__init__()
        self.shape, self.others = shape, others
        parts: list[nn.Module] = [
            Convolution(2, width, size=5, stride=2, periodic=periodic),
            nn.BatchNorm3d(width),
            nn.ReLU(),
        ]
        channels = width
        for number, factor in enumerate(_PARTS):
            for place in range(blocks):
                parts.append(_Block(channels, factor * width, 2 if number and not place else 1, periodic))
                channels = factor * width
        self.body = nn.Sequential(*parts)
        self.head = nn.Sequential(nn.Linear(channels + others + 1, channels), nn.ReLU(), nn.Linear(channels, 1))
        self.register_buffer("mean", torch.zeros(others + 1))
        self.register_buffer("scale", torch.ones(others + 1))
        #: Root mean square of a voxel, and the median of those that have energy.
        self.register_buffer("units", torch.ones(2))

    @torch.no_grad()
    def standardise(self, x: Tensor, weights: Tensor) -> None:
        """Learn units from events (N, K + L·A·R) and their weights (N,)."""
        share = (weights / weights.sum())[:, None]
        voxels = x[:, self.others :]
        filled = voxels[voxels > 0]
        if len(filled):
            self.units = torch.stack([((voxels.square().mean(dim=1) * share[:, 0]).sum()).sqrt(), filled.median()])
        numbers = self._numbers(x)
        self.mean = (numbers * share).sum(dim=0)
        spread = ((numbers - self.mean).square() * share).sum(dim=0).sqrt()
        self.scale = torch.where(spread > 1e-6, spread, torch.ones_like(spread))

    def _numbers(self, x: Tensor) -> Tensor:
        """The other numbers and the logarithm of the sum of the voxels, (N, K + 1)."""
        total = x[:, self.others :].sum(dim=1, keepdim=True)
        return torch.cat([x[:, : self.others], torch.log(total.clamp_min(0) + self.units[1])], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of events."""
        voxels = x[:, self.others :].reshape(-1, 1, *self.shape)
        both = torch.cat([voxels / self.units[0], torch.log1p(voxels.clamp_min(0) / self.units[1])], dim=1)
        seen = self.body(both).mean(dim=(2, 3, 4))
        out: Tensor = self.head(torch.cat([seen, (self._numbers(x) - self.mean) / self.scale], dim=1))
        return out
