"""The two networks of FPCD, of jets and of their constituents (Mikuni, Nachman & Pettee, 2304.01266)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.networks.transformer import Attention, attention_mask

#: Numbers that are made of the time, and of what is known of a jet.
EMBEDDED = 64
#: The fastest of the frequencies, and their range.
_FASTEST, _RANGE = 1000.0, 1e4


class FourierTime(nn.Module):
    """Time in [0, 1] as sines and cosines of 32 frequencies over four decades, and two layers: (N,) -> (N, 64)."""

    frequencies: Tensor

    def __init__(self) -> None:
        super().__init__()
        half = EMBEDDED // 2
        falling = torch.exp(-math.log(_RANGE) * torch.arange(half, dtype=torch.float32) / (half - 1))
        self.register_buffer("frequencies", _FASTEST * falling)
        self.first, self.second = nn.Linear(EMBEDDED, 2 * EMBEDDED), nn.Linear(2 * EMBEDDED, EMBEDDED)

    def forward(self, t: Tensor) -> Tensor:
        """Of times (N,) or ()."""
        angle = t[..., None] * self.frequencies.to(t.dtype)
        out: Tensor = self.second(functional.silu(self.first(torch.cat([angle.sin(), angle.cos()], dim=-1))))
        return out


class FPCDPoints(nn.Module):
    """Velocity of constituents by attention of all to all; 1,035,779 parameters with four attributes and five classes.

    The last `attributes` columns of the context, such as pT, η, m and N of a jet, have a layer of their own; the others
    are classes. The mean of the constituents joins every one of them at the end; here it is that of the present ones.
    """

    def __init__(
        self, features: int, context: int, attributes: int, *, width: int = 128, layers: int = 6, heads: int = 2
    ) -> None:
        super().__init__()
        self.classes = context - attributes
        self.time = FourierTime()
        self.attributes = nn.Linear(attributes, EMBEDDED) if attributes else None
        self.know = nn.Linear(EMBEDDED * (2 if attributes else 1) + self.classes, EMBEDDED)
        self.enter = nn.Linear(features, width)
        self.of_cloud = nn.Sequential(nn.Linear(EMBEDDED, 2 * width), nn.LeakyReLU(0.01), nn.Linear(2 * width, width))
        self.join = nn.Sequential(nn.Linear(2 * width, width), nn.LeakyReLU(0.01), nn.Linear(width, width))
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.widen, self.leave = nn.Linear(3 * width + EMBEDDED, 2 * width), nn.Linear(2 * width, features)
        # So that an untrained network is the zero field.
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, t: Tensor, c: Tensor, mask: Tensor) -> Tensor:
        """Velocity (N, P, F) of points x (N, P, F) at times t (N,) or () given c (N, C); 0 where the mask (N, P) is."""
        points, there = x.shape[1], mask[..., None].to(x.dtype)
        parts = [self.time(t).expand(x.shape[0], -1), c[:, : self.classes]]
        if self.attributes is not None:
            parts.append(functional.silu(self.attributes(c[:, self.classes :])))
        known = functional.silu(self.know(torch.cat(parts, dim=1)))
        cloud = functional.leaky_relu(self.of_cloud(known), 0.01)[:, None].expand(-1, points, -1)
        entered = self.join(torch.cat([functional.leaky_relu(self.enter(x), 0.01), cloud], dim=2))
        h, allowed = entered, attention_mask(mask)
        for block in self.blocks:
            h = block(h, allowed)
        h = self.norm(h)
        mean = (h * there).sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True).clamp_min(1)
        whole = torch.cat([entered, h, mean.expand_as(h), known[:, None].expand(-1, points, -1)], dim=2)
        out: Tensor = self.leave(functional.gelu(self.widen(whole))) * there
        return out


class _Block(nn.Module):
    """Attention and a layer of twice the width, each behind a norm and with a way around it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        """Points (N, P, W)."""
        own = self.first(x)
        x = x + self.attention(own, own, allowed)
        out: Tensor = x + functional.gelu(self.narrow(functional.gelu(self.widen(self.second(x)))))
        return out


class FPCDAttributes(nn.Module):
    """Velocity of what is known of a jet, such as pT, η, m and N; 894,532 parameters with four and five classes."""

    def __init__(self, features: int, context: int, *, width: int = 256, blocks: int = 2) -> None:
        super().__init__()
        self.time = FourierTime()
        self.know = nn.Linear(EMBEDDED + context, EMBEDDED)
        self.enter, self.of_known = nn.Linear(features, width), nn.Linear(EMBEDDED, width)
        self.join = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.LeakyReLU(0.01), nn.Linear(2 * width, width))
        self.blocks = nn.ModuleList(_Residual(width) for _ in range(blocks))
        self.last, self.leave = nn.Linear(width, width), nn.Linear(width, features)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """Velocity (N, D) of attributes x (N, D) at times t (N,) or () given c (N, C)."""
        time = self.time(t).expand(x.shape[0], -1)
        known = functional.silu(self.know(torch.cat([time, c], dim=1)))
        h = self.join(torch.cat([self.enter(x), self.of_known(known)], dim=1))
        for block in self.blocks:
            h = block(h)
        out: Tensor = self.leave(functional.leaky_relu(self.last(h), 0.01))
        return out


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.around, self.first, self.second = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(N, W)."""
        h = functional.leaky_relu(self.first(x), 0.01)
        out: Tensor = self.around(x) + functional.leaky_relu(self.second(h), 0.01)
        return out
