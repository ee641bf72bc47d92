"""A U-Net on the cells of a cylinder, whose angles go round (CaloDiffusion: Amram & Pedro, 2308.03876)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Groups of channels of a normalisation, and features of the one head of attention.
GROUPS, _HEAD = 8, 32
#: Numbers that stand for the time, and as many for the context.
_KNOWN = 64
#: Cells of a kernel between two levels, along angles and rings.
_BETWEEN = 4


class CylindricalConv(nn.Module):
    """3 × 3 × 3 convolution of cells (N, C, layers, angles, rings): angles go round, beyond the others is nothing."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels, out, 3, padding=(1, 0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, out, layers, angles, rings)."""
        out: Tensor = self.convolution(around(x, 1, 1))
        return out


class CylindricalDown(nn.Module):
    """To half as many layers and rings, and half as many angles where their number is even.

    An odd number of angles has no half: they stay, and the map commutes with any turn of those.
    """

    def __init__(self, channels: int, grid: Sequence[int]) -> None:
        super().__init__()
        _, angles, rings = grid
        self.steps = _steps(angles, rings)
        stride = (2, *self.steps)
        self.convolution = nn.Conv3d(channels, channels, (3, _BETWEEN, _BETWEEN), stride=stride, padding=(1, 0, 0))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, fewer layers, angles and rings)."""
        # Kernels of four cells see one before and one or two behind those that they are about.
        of_angles, of_rings = (3 - step for step in self.steps)
        out: Tensor = self.convolution(functional.pad(around(x, 1, of_angles), (1, of_rings)))
        return out


class CylindricalUp(nn.Module):
    """Back to the cells of `grid`, from which `CylindricalDown` came."""

    def __init__(self, channels: int, grid: Sequence[int]) -> None:
        super().__init__()
        self.grid = tuple(grid)
        layers, angles, rings = grid
        self.steps = _steps(angles, rings)
        kernel = (3 + (layers + 1) % 2, _BETWEEN, _BETWEEN)
        self.convolution = nn.ConvTranspose3d(channels, channels, kernel, stride=(2, *self.steps))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, layers, angles, rings)."""
        margin = 3 - self.steps[0]
        out: Tensor = self.convolution(around(x, margin, margin))
        for axis, (start, size) in enumerate(zip((1, 3, 1), self.grid, strict=True)):
            out = out.narrow(2 + axis, start, size)
        return out


class CylindricalUNet(nn.Module):
    """Channels (N, C, layers, angles, rings) to one of as many cells, given a time and a context.

    `channels` are those behind the first convolution and of every level; levels but the last are followed by half as
    many cells along every axis, see `CylindricalDown`. Turned cells give turned ones, by any angle that is one of the
    coarsest level, if the channels are.
    """

    def __init__(self, grid: Sequence[int], inputs: int, context: int, *, channels: Sequence[int]) -> None:
        super().__init__()
        grids, wide = [tuple(grid)], 2 * _KNOWN
        for _ in channels[2:]:
            grids.append(_halved(grids[-1]))
        self.time, self.context = _known(1), _known(max(1, context))
        self.enter = CylindricalConv(inputs, channels[0])
        pairs = list(itertools.pairwise(channels))
        self.downs = nn.ModuleList(_Level(first, last, wide) for first, last in pairs)
        self.coarser = nn.ModuleList(CylindricalDown(pair[1], at) for pair, at in zip(pairs, grids[:-1], strict=False))
        middle = channels[-1]
        self.middle = nn.ModuleList(
            [_Residual(middle, middle, wide), _Attention(middle), _Residual(middle, middle, wide)]
        )
        backwards = [(2 * last, first) for first, last in reversed(pairs)]
        self.ups = nn.ModuleList(_Level(first, last, wide) for first, last in backwards)
        self.finer = nn.ModuleList(
            CylindricalUp(pair[1], at) for pair, at in zip(backwards, reversed(grids[:-1]), strict=False)
        )
        self.last = _Residual(channels[0], channels[0], 0)
        self.leave = nn.Conv3d(channels[0], 1, 1)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """(N, 1, layers, angles, rings) of x (N, C, …) at times t (N,) or (), given c (N, context)."""
        known = c if c.shape[1] else x.new_ones(len(x), 1)
        about = torch.cat([self.time(t.to(x.dtype).expand(len(x))[:, None]), self.context(known)], dim=1)
        h, seen = self.enter(x), []
        for number, level in enumerate(self.downs):
            h = level(h, about)
            seen.append(h)
            if number < len(self.coarser):
                h = self.coarser[number](h)
        first, attention, second = self.middle
        h = second(attention(first(h, about)), about)
        for number, level in enumerate(self.ups):
            h = level(torch.cat([h, seen.pop()], dim=1), about)
            if number < len(self.finer):
                h = self.finer[number](h)
        out: Tensor = self.leave(self.last(h, about))
        return out


class _Level(nn.Module):
    """Two residual blocks, and attention."""

    def __init__(self, channels: int, out: int, known: int) -> None:
        super().__init__()
        self.first, self.second = _Residual(channels, out, known), _Residual(out, out, known)
        self.attention = _Attention(out)

    def forward(self, h: Tensor, about: Tensor) -> Tensor:
        out: Tensor = self.attention(self.second(self.first(h, about), about))
        return out


class _Residual(nn.Module):
    """Two convolutions beside the identity, the first one shifted by what is `known`, if that is anything."""

    def __init__(self, channels: int, out: int, known: int) -> None:
        super().__init__()
        self.shift = nn.Linear(known, out) if known else None
        self.first, self.first_norm = CylindricalConv(channels, out), nn.GroupNorm(GROUPS, out)
        self.second, self.second_norm = CylindricalConv(out, out), nn.GroupNorm(GROUPS, out)
        self.beside = nn.Conv3d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x: Tensor, about: Tensor) -> Tensor:
        h = functional.silu(self.first_norm(self.first(x)))
        if self.shift is not None:
            h = h + self.shift(functional.silu(about))[:, :, None, None, None]
        h = functional.silu(self.second_norm(self.second(h)))
        out: Tensor = h + self.beside(x)
        return out


class _Attention(nn.Module):
    """Attention of all cells to all, at a cost that grows with their number (Shen et al., 1812.01243)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.attend = nn.Conv3d(channels, 3 * _HEAD, 1, bias=False)
        self.mix, self.mix_norm = nn.Conv3d(_HEAD, channels, 1), nn.GroupNorm(1, channels)

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = self.attend(self.norm(h)).flatten(2).chunk(3, dim=1)
        q, k = q.softmax(dim=1) / math.sqrt(_HEAD), k.softmax(dim=2)
        found = (v @ k.transpose(1, 2)) @ q
        out: Tensor = h + self.mix_norm(self.mix(found.reshape(len(h), _HEAD, *h.shape[2:])))
        return out


def around(x: Tensor, before: int, after: int) -> Tensor:
    """Cells (N, C, layers, angles, rings) with so many angles more on both sides, as they come in going round."""
    angles = x.shape[3]
    wide = x.repeat(1, 1, 1, -(-max(before, after) // angles), 1) if max(before, after) > angles else x
    return torch.cat([wide[:, :, :, wide.shape[3] - before :], x, wide[:, :, :, :after]], dim=3)


def least_turn(angles: int, levels: int) -> int:
    """Angles by which cells are turned at least if those of the coarsest of so many levels are turned by one."""
    turn = 1
    for _ in range(levels - 1):
        turn, angles = (2 * turn, angles // 2) if angles % 2 == 0 else (turn, angles)
    return turn


def _known(numbers: int) -> nn.Sequential:
    half = _KNOWN // 2
    return nn.Sequential(
        nn.Linear(numbers, half), nn.GELU(), nn.Linear(half, _KNOWN), nn.GELU(), nn.Linear(_KNOWN, _KNOWN)
    )


def _steps(angles: int, rings: int) -> tuple[int, int]:
    """Cells of one on the next level, along angles and rings."""
    return 2 - angles % 2, 1 if rings == 1 else 2


def _halved(grid: Sequence[int]) -> tuple[int, int, int]:
    layers, angles, rings = grid
    one, other = _steps(angles, rings)
    return -(-layers // 2), angles // one, rings // other
