"""A transformer whose layers are normalised after each part, as in the first (Vaswani et al., 1706.03762)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from generators.networks.transformer import Attention, attention_mask


class PostNormLayer(nn.Module):
    """Attention of points to points, then a layer of `hidden` units, each with a way around it and normalised after."""

    def __init__(self, width: int, heads: int, hidden: int, slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.attention = Attention(width, heads)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        """Points (N, P, W); `allowed` (N, 1, 1, P) says which may be looked at."""
        x = self.first(x + self.attention(x, x, allowed))
        out: Tensor = self.second(x + self.narrow(functional.leaky_relu(self.widen(x), self.slope)))
        return out


class PostNormEncoder(nn.Module):
    """Points (N, P, I) to (N, P, W) by a linear map and `layers` of `PostNormLayer`."""

    def __init__(self, inputs: int, *, width: int, layers: int, heads: int, hidden: int, slope: float = 0.2) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.layers = nn.ModuleList(PostNormLayer(width, heads, hidden, slope) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Points, of which those in the mask (N, P) are present."""
        allowed = attention_mask(mask)
        h: Tensor = self.enter(x)
        for layer in self.layers:
            h = layer(h, allowed)
        return h
