"""A mean field that attends to the points and is seen by them, in the manner of MDMA (2305.15254); linear in points."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.networks.epic import Pool
from generators.networks.split_linear import SplitLinear
from generators.networks.time_features import CosineFeatures
from generators.networks.transformer import Attention, attention_mask


class MeanFieldLayer(nn.Module):
    """A few tokens ask the points, and every point hears the answer."""

    def __init__(self, width: int, heads: int, tokens: int, cloud: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.before, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.think = SplitLinear(tokens * width, cloud, out=tokens * width)
        self.spread = SplitLinear(width, tokens * width, cloud, out=width)
        self.mix = nn.Linear(width, width)

    def forward(self, x: Tensor, g: Tensor, allowed: Tensor, cloud: Tensor) -> tuple[Tensor, Tensor]:
        """Points x (N, P, W) and tokens g (N, K, W) after this layer."""
        g = g + self.attention(g, self.before(x), allowed)
        g = g + self.think(_act(g.flatten(1)), cloud).view_as(g)
        h = _act(self.spread(self.norm(x), _act(g.flatten(1)), cloud))
        return x + self.mix(h), g


class CrossAttention(nn.Module):
    """Velocity of points that see each other through `tokens` mean-field vectors."""

    def __init__(
        self,
        features: int,
        context: int,
        *,
        width: int = 64,
        layers: int = 5,
        heads: int = 4,
        tokens: int = 2,
        frequencies: int = 32,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.time = CosineFeatures(frequencies)
        cloud = context + frequencies
        self.enter = SplitLinear(features, cloud, out=width)
        self.begin = SplitLinear(2 * width, cloud, out=tokens * width)
        self.layers = nn.ModuleList(MeanFieldLayer(width, heads, tokens, cloud) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, features)
        # So that an untrained network is the zero field.
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, t: Tensor, c: Tensor, mask: Tensor) -> Tensor:
        """Velocity (N, P, F) of points x (N, P, F) at times t (N,) or () given c (N, C); 0 where the mask (N, P) is."""
        cloud = torch.cat([self.time(t).expand(x.shape[0], -1), c], dim=1)
        allowed = attention_mask(mask)
        h = _act(self.enter(x, cloud))
        g = self.begin(Pool(mask)(h), cloud).unflatten(1, (self.tokens, -1))
        for layer in self.layers:
            h, g = layer(h, g, allowed, cloud)
        out: Tensor = self.leave(_act(self.norm(h))) * mask[..., None]
        return out


def _act(x: Tensor) -> Tensor:
    return functional.silu(x)
