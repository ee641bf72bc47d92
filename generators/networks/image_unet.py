"""A U-Net on the cells of one layer, whose angles go round (convolutional L2LFlows: Buss et al., 2405.20407)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class CircularConv(nn.Module):
    """3 × 3 convolution of images (N, C, angles, rings): angles go round, beyond the rings there is nothing."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, out, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, out, angles, rings)."""
        around = torch.cat([x[:, :, -1:], x, x[:, :, :1]], dim=2)
        out: Tensor = self.convolution(functional.pad(around, (1, 1)))
        return out


class ImageUNet(nn.Module):
    """Images (N, C, angles, rings) to as many with other channels; of zeros before it is trained.

    `strides` are (angles, rings) of both steps down; images are filled with zeros to a multiple of them on the way.
    """

    def __init__(self, channels: int, out: int, *, hidden: int, strides: Sequence[Sequence[int]]) -> None:
        super().__init__()
        (first, second), wide = ((int(stride[0]), int(stride[1])) for stride in strides), 2 * hidden
        self.strides = (first, second)
        self.enter = nn.Sequential(_normed(channels, hidden), _normed(hidden, hidden))
        self.down = nn.Conv2d(hidden, wide, first, stride=first)
        self.middle = nn.Sequential(_normed(wide, wide), _normed(wide, wide))
        self.deep = nn.Conv2d(wide, 2 * wide, second, stride=second)
        self.rise = nn.ConvTranspose2d(2 * wide, wide, second, stride=second)
        self.merge = nn.Sequential(_normed(2 * wide, wide), _normed(wide, wide))
        self.up = nn.ConvTranspose2d(wide, hidden, first, stride=first)
        self.last = _normed(2 * hidden, hidden)
        self.leave = CircularConv(hidden, out)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(N, out, angles, rings)."""
        fine = self.enter(x)
        coarse = self.middle(self.down(_filled(fine, self.strides[0])))
        deep = functional.leaky_relu(self.deep(_filled(coarse, self.strides[1])))
        coarse = self.merge(torch.cat([_cropped(self.rise(deep), coarse), coarse], dim=1))
        fine = self.last(torch.cat([_cropped(self.up(coarse), fine), fine], dim=1))
        out: Tensor = self.leave(fine)
        return out


class Embedding(nn.Module):
    """Maps of what is known, (N, C, angles, rings), as `channels` on images that are coarser by `factor`."""

    def __init__(self, known: int, channels: int, factor: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(known, channels, 1),
            nn.LeakyReLU(),
            CircularConv(channels, channels),
            nn.LeakyReLU(),
            nn.Conv2d(channels, channels, factor, stride=factor),
            nn.LeakyReLU(),
            CircularConv(channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, angles / factor, rings / factor)."""
        out: Tensor = self.layers(x)
        return out


def _normed(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(CircularConv(channels, out), nn.BatchNorm2d(out), nn.LeakyReLU())


def _filled(x: Tensor, stride: tuple[int, ...]) -> Tensor:
    angles, rings = (-size % step for size, step in zip(x.shape[2:], stride, strict=True))
    return functional.pad(x, (0, rings, 0, angles))


def _cropped(x: Tensor, like: Tensor) -> Tensor:
    return x[:, :, : like.shape[2], : like.shape[3]]
