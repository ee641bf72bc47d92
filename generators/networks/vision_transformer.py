"""A transformer on patches of a shower (Peebles & Xie, 2212.09748; CaloDREAM: Favaro et al., 2405.09629)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Sines and cosines of the time, the slowest once in 10,000 units.
_TIMES, _SLOWEST = 256, 1e4
#: Units of the time in [0, 1].
_UNITS = 1000.0


class VisionTransformer(nn.Module):
    """Velocity of voxels (N, V) in `layers` of (angles, rings), by attention among patches.

    A patch has `patch` layers, angles and rings: layers of one shape that follow each other are cut into patches
    together, and what a patch has too many is nothing. Positions enter by sines and cosines of layer, angle and radius
    at frequencies that are learned; time and context shift, scale and gate every block (adaLN-zero).
    """

    places: Tensor
    positions: Tensor

    def __init__(
        self,
        layers: Sequence[Sequence[int]],
        context: int,
        *,
        patch: Sequence[int],
        width: int,
        depth: int,
        heads: int,
        ratio: int,
    ) -> None:
        super().__init__()
        self.voxels, self.width = sum(math.prod(layer) for layer in layers), width
        places, positions = _patches(layers, patch)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("positions", positions, persistent=False)
        size = places.shape[1]
        self.enter = nn.Linear(size, width)
        self.frequencies = nn.ParameterList(nn.Parameter(torch.randn(width // 6)) for _ in range(3))
        self.time = nn.Sequential(nn.Linear(_TIMES, width), nn.SiLU(), nn.Linear(width, width))
        self.context = nn.Sequential(nn.Linear(max(1, context), width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(_Block(width, heads, ratio) for _ in range(depth))
        self.modulation, self.leave = nn.Linear(width, 2 * width), nn.Linear(width, size)
        for layer in (self.modulation, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """Velocity (N, V) of x (N, V) at times t (N,) or () in [0, 1], given c (N, C)."""
        patches = functional.pad(x, (0, 1))[:, self.places]
        h = self.enter(patches) + self._of_positions(x)
        known = c if c.shape[1] else x.new_ones(len(x), 1)
        about = self.time(_sinusoids(t.expand(len(x)), x)) + self.context(known)
        about = functional.silu(about)
        for block in self.blocks:
            h = block(h, about)
        shift, scale = self.modulation(about)[:, None].chunk(2, dim=-1)
        out = self.leave(_norm(h) * (1 + scale) + shift)
        flat = x.new_zeros(len(x), self.voxels + 1)
        return flat.index_copy(1, self.places.flatten(), out.flatten(1))[:, :-1]

    def _of_positions(self, x: Tensor) -> Tensor:
        parts = []
        for column, frequency in enumerate(self.frequencies):
            angle = 2 * math.pi * self.positions[:, column : column + 1].to(x.dtype) * frequency
            parts += [angle.sin(), angle.cos()]
        return functional.pad(torch.cat(parts, dim=1), (0, self.width - 6 * (self.width // 6)))


class _Block(nn.Module):
    """Attention and a layer for every patch, shifted, scaled and gated by what is known of the whole."""

    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.heads = heads
        self.modulation = nn.Linear(width, 6 * width)
        self.attend, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(approximate="tanh"), nn.Linear(ratio * width, width)
        )
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, h: Tensor, about: Tensor) -> Tensor:
        """Patches (N, T, W), given what is known (N, W)."""
        shift, scale, gate, shift_feed, scale_feed, gate_feed = self.modulation(about)[:, None].chunk(6, dim=-1)
        h = h + gate * self._attention(_norm(h) * (1 + scale) + shift)
        out: Tensor = h + gate_feed * self.feed(_norm(h) * (1 + scale_feed) + shift_feed)
        return out

    def _attention(self, h: Tensor) -> Tensor:
        size = (len(h), h.shape[1], 3, self.heads, h.shape[2] // self.heads)
        q, k, v = self.attend(h).reshape(size).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.mix(mixed.transpose(1, 2).flatten(2))
        return out


def _norm(h: Tensor) -> Tensor:
    return functional.layer_norm(h, h.shape[-1:], eps=1e-6)


def _sinusoids(t: Tensor, like: Tensor) -> Tensor:
    """Sines and cosines (N, 256) of times (N,)."""
    half = _TIMES // 2
    frequencies = torch.exp(-math.log(_SLOWEST) * torch.arange(half, device=like.device, dtype=like.dtype) / half)
    angle = _UNITS * t.to(like.dtype)[:, None] * frequencies
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def _patches(layers: Sequence[Sequence[int]], patch: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Places of the voxels of all patches (T, P), where nothing is the last place; layer, angle, radius (T, 3)."""
    voxels, start = sum(math.prod(layer) for layer in layers), 0
    places, positions, first = [], [], 0
    while first < len(layers):
        angles, rings = layers[first]
        last = first
        while last < len(layers) and tuple(layers[last]) == (angles, rings):
            last += 1
        shape = (last - first, angles, rings)
        grid = torch.arange(math.prod(shape)).reshape(shape) + start
        missing = [part for size, step in zip(shape[::-1], patch[::-1], strict=True) for part in (0, -size % step)]
        grid = functional.pad(grid, missing, value=voxels)
        counts = [size // step for size, step in zip(grid.shape, patch, strict=True)]
        split = grid.reshape(*(n for pair in zip(counts, patch, strict=True) for n in pair)).permute(0, 2, 4, 1, 3, 5)
        places.append(split.reshape(-1, math.prod(patch)))
        middles = [(torch.arange(count) + 0.5) * step for count, step in zip(counts, patch, strict=True)]
        of_patch = [(middles[0] + first) / len(layers), middles[1] / angles, middles[2] / rings]
        positions.append(torch.cartesian_prod(*of_patch).reshape(-1, 3))
        start, first = start + math.prod(shape), last
    return torch.cat(places), torch.cat(positions)
