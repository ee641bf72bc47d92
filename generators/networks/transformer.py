"""A transformer over the points of a cloud (PC-JeDi: Leigh et al., 2303.05376)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.networks.split_linear import SplitLinear
from generators.networks.time_features import CosineFeatures

#: Numbers that the network of the context makes of context and time.
_EMBEDDED_CONTEXT = 64


class Feed(nn.Module):
    """One hidden layer with normalisation on points (N, P, ·) and what is known of the whole cloud (N, ·)."""

    def __init__(self, points: int, cloud: int, *, hidden: int, out: int) -> None:
        super().__init__()
        self.first = SplitLinear(points, cloud, out=hidden)
        self.norm = nn.LayerNorm(hidden)
        self.second = nn.Linear(hidden, out)

    def forward(self, x: Tensor, cloud: Tensor) -> Tensor:
        """(N, P, out)."""
        out: Tensor = self.second(self.norm(functional.leaky_relu(self.first(x, cloud), 0.1)))
        return out


class Attention(nn.Module):
    """Multi-head attention of queries (N, Q, W) to points (N, P, W), by torch's fused kernel."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ask, self.offer = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.leave = nn.Linear(width, width)

    def forward(self, queries: Tensor, points: Tensor, allowed: Tensor | None) -> Tensor:
        """(N, Q, W); `allowed` (N, 1, 1, P) says which points may be looked at, None that all may."""
        q = self._heads(self.ask(queries))
        k, v = (self._heads(part) for part in self.offer(points).chunk(2, dim=-1))
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        out: Tensor = self.leave(mixed.transpose(1, 2).flatten(2))
        return out

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, x.shape[2] // self.heads).transpose(1, 2)


class Block(nn.Module):
    """Attention among points and a feed-forward layer that knows the context, each with a way around it."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm = nn.LayerNorm(width)
        self.feed = Feed(width, _EMBEDDED_CONTEXT, hidden=hidden, out=width)

    def forward(self, x: Tensor, cloud: Tensor, allowed: Tensor | None) -> Tensor:
        """Points (N, P, W)."""
        own = self.before(x)
        x = x + self.after(self.attention(own, own, allowed))
        out: Tensor = x + self.feed(self.norm(x), cloud)
        return out


class Transformer(nn.Module):
    """Velocity of points by attention of all to all; 730,051 parameters by default, with two columns of context."""

    def __init__(
        self,
        features: int,
        context: int,
        *,
        width: int = 128,
        layers: int = 4,
        heads: int = 8,
        hidden: int = 256,
        frequencies: int = 32,
    ) -> None:
        super().__init__()
        self.time = CosineFeatures(frequencies)
        sizes = (context + frequencies, 128, 128)
        body = [
            part
            for wide, narrow in pairwise(sizes)
            for part in (nn.Linear(wide, narrow), nn.LeakyReLU(0.1), nn.LayerNorm(narrow))
        ]
        self.context = nn.Sequential(*body, nn.Linear(sizes[-1], _EMBEDDED_CONTEXT))
        self.enter = Feed(features, _EMBEDDED_CONTEXT, hidden=256, out=width)
        self.blocks = nn.ModuleList(Block(width, heads, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.leave = Feed(width, _EMBEDDED_CONTEXT, hidden=256, out=features)
        # So that an untrained network is the zero field.
        nn.init.zeros_(self.leave.second.weight)
        nn.init.zeros_(self.leave.second.bias)

    def forward(self, x: Tensor, t: Tensor, c: Tensor, mask: Tensor) -> Tensor:
        """Velocity (N, P, F) of points x (N, P, F) at times t (N,) or () given c (N, C); 0 where the mask (N, P) is."""
        cloud = self.context(torch.cat([self.time(t).expand(x.shape[0], -1), c], dim=1))
        allowed = attention_mask(mask)
        h = self.enter(x, cloud)
        for block in self.blocks:
            h = block(h, cloud, allowed)
        out: Tensor = self.leave(self.norm(h), cloud) * mask[..., None]
        return out


def attention_mask(mask: Tensor) -> Tensor:
    """Which points (N, P) may be looked at, (N, 1, 1, P); in a cloud without any all may, lest nothing be divided."""
    return (mask | ~mask.any(dim=1, keepdim=True))[:, None, None]
