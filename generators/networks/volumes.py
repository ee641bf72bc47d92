"""Networks on volumes (N, channels, layers, rows, columns) of any size: the pieces of BIB-AE (2005.05334)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Slope of leaky units.
_LEAK = 0.2

Shape = tuple[int, int, int]


class VolumeEncoder(nn.Module):
    """Volumes (N, *shape) and what is known (N, K) -> (N, `out`): halved three times, and then layers of `hidden`."""

    def __init__(self, shape: Shape, known: int, out: int, widths: Sequence[int], hidden: Sequence[int]) -> None:
        super().__init__()
        pieces: list[nn.Module] = []
        channels = [1, *widths]
        for before, after in pairwise(channels[:-1]):
            shape = _shape(side // 2 + 1 for side in shape)
            pieces += [nn.Conv3d(before, after, 4, 2, 2, bias=False), nn.LayerNorm(list(shape)), nn.LeakyReLU(_LEAK)]
        pieces += [nn.Conv3d(channels[-2], channels[-1], 3, 1, 1, bias=False)]
        self.volumes = nn.Sequential(*pieces, nn.LayerNorm(list(shape)), nn.LeakyReLU(_LEAK), nn.Flatten())
        self.numbers = _perceptron(channels[-1] * math.prod(shape) + known, hidden, out)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.numbers(torch.cat([self.volumes(x[:, None]), known], dim=1))
        return out


class VolumeDecoder(nn.Module):
    """Latent vectors (N, Z) and what is known (N, K) -> volumes (N, *shape), by one of twice the size in between.

    `widths` are channels: at a third of the size, at twice of it, back at it, and of the convolutions there.
    """

    def __init__(self, shape: Shape, known: int, latent: int, widths: Sequence[int], hidden: Sequence[int]) -> None:
        super().__init__()
        first, twice, back, *more = widths
        self.shape, third, double = shape, _shape(-(-side // 3) for side in shape), _shape(2 * side for side in shape)
        self.start = (first, *third)
        self.numbers = _perceptron(latent + known, list(reversed(hidden)), math.prod(self.start))
        # As many more cells as are missing at the end.
        missing = _shape(side - 3 * (few - 1) - 1 for side, few in zip(shape, third, strict=True))
        pieces: list[nn.Module] = [
            nn.ConvTranspose3d(first, first, 3, 3, 1, output_padding=missing, bias=False),
            nn.LayerNorm(list(shape)),
            nn.LeakyReLU(_LEAK),
            nn.ConvTranspose3d(first, twice, 3, 2, 1, output_padding=1, bias=False),
            nn.LayerNorm(list(double)),
            nn.LeakyReLU(_LEAK),
            nn.Conv3d(twice, back, 2, 2, bias=False),
        ]
        self.widest = max(twice * math.prod(double), max(widths) * math.prod(shape))
        channels = [back, *more]
        for before, after in zip(channels, [*channels[1:], 1], strict=True):
            pieces += [nn.LayerNorm(list(shape)), nn.LeakyReLU(_LEAK), nn.Conv3d(before, after, 3, 1, 1, bias=False)]
        self.volumes = nn.Sequential(*pieces)

    def forward(self, z: Tensor, known: Tensor) -> Tensor:
        """See the class; numbers may be negative."""
        start = functional.leaky_relu(self.numbers(torch.cat([z, known], dim=1)), _LEAK)
        out: Tensor = self.volumes(start.view(-1, *self.start))
        return out[:, 0]


class PairCritic(nn.Module):
    """Scores (N,) of pairs of volumes (N, 2, *shape), the true one and what became of it, given what is known (N, K).

    It sees their difference, the second volume and its logarithm: three views of `width` numbers each.
    """

    def __init__(self, shape: Shape, known: int, width: int) -> None:
        super().__init__()
        self.difference = nn.Linear(math.prod(shape), width // 2)
        self.views = nn.ModuleList(_view(shape, width) for _ in range(2))
        self.known = nn.Linear(known, width // 2)
        hidden = 2 * width
        self.score = _perceptron(4 * (width // 2), [hidden] * 3, 1)

    def forward(self, pair: Tensor, known: Tensor) -> Tensor:
        """See the class; the true volume stands beside itself."""
        true, made = pair[:, 0], pair[:, 1]
        parts = [self.difference((made - true).flatten(1))]
        parts += [view(seen[:, None]) for view, seen in zip(self.views, (made, made.log1p()), strict=True)]
        seen = functional.leaky_relu(torch.cat([*parts, self.known(known)], dim=1), _LEAK)
        out: Tensor = self.score(seen)
        return out[:, 0]


class PostProcessor(nn.Module):
    """Volumes (N, *shape) voxel by voxel, given ln(1 + energy) of all and what is known (N, K): `width` hidden units.

    With `norms` as published for one direction (2005.05334), whose weights differ from voxel to voxel; without, as for
    several angles (2303.18150), the same map everywhere. What the layers make is added to a voxel, which is not
    published: so the map begins near the identity, where otherwise it may begin, and stay, with nothing above zero.
    """

    def __init__(self, shape: Shape, known: int, width: int, *, norms: bool) -> None:
        super().__init__()
        told = max(1, width // 2)
        self.told = _perceptron(1 + known, [told, told], told)
        self.first = nn.Conv3d(1, width, 1)
        channels = [width + told, width, width, width, width]
        self.layers = nn.ModuleList(
            nn.Conv3d(before, after, 1) for before, after in zip(channels, [*channels[1:], 1], strict=True)
        )
        with torch.no_grad():
            for parameter in self.layers[-1].parameters():
                parameter.mul_(0.1)
        self.norms = nn.ModuleList(nn.LayerNorm(list(shape)) if norms else nn.Identity() for _ in range(4))

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        """See the class; numbers may be negative."""
        total = x.flatten(1).sum(dim=1, keepdim=True).log1p()
        told = self.told(torch.cat([total, known], dim=1))[..., None, None, None].expand(-1, -1, *x.shape[1:])
        h = functional.leaky_relu(self.norms[0](self.first(x[:, None])))
        h = torch.cat([h, told], dim=1)
        for number, layer in enumerate(self.layers):
            h = layer(h)
            if number < 3:
                h = self.norms[1 + number](h)
            if number < len(self.layers) - 1:
                h = functional.leaky_relu(h)
        return x + h[:, 0]


def _view(shape: Shape, width: int) -> nn.Sequential:
    """Three convolutions without a border, the first two of stride two, and `width` / 2 numbers of what is left."""
    pieces: list[nn.Module] = []
    for number, (before, stride) in enumerate(((1, 2), (width, 2), (width, 1))):
        kernel = _shape(min(3, side) for side in shape)
        shape = _shape((side - wide) // stride + 1 for side, wide in zip(shape, kernel, strict=True))
        pieces.append(nn.Conv3d(before, width, kernel, stride, bias=False))
        pieces += [nn.LayerNorm(list(shape))] if number < 2 else []
        pieces.append(nn.LeakyReLU(_LEAK))
    return nn.Sequential(*pieces, nn.Flatten(), nn.Linear(width * math.prod(shape), width // 2))


def _perceptron(inputs: int, hidden: Sequence[int], out: int) -> nn.Sequential:
    pieces: list[nn.Module] = []
    for before, after in zip([inputs, *hidden[:-1]], hidden, strict=True):
        pieces += [nn.Linear(before, after), nn.LeakyReLU(_LEAK)]
    return nn.Sequential(*pieces, nn.Linear(hidden[-1], out))


def _shape(sides: Iterable[int]) -> Shape:
    layers, rows, columns = sides
    return layers, rows, columns
