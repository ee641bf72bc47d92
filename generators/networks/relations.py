"""Relational reasoning among the images of an event (IEA-GAN: Hashemi et al., 2303.08046)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from generators.errors import HyperparameterError


class Relations(nn.Module):
    """One transformer block with norms in front, among S vectors of an event, and a norm at the end."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise HyperparameterError(f"{heads} heads can not share a width of {width}.")
        self.heads = heads
        self.before, self.middle, self.after = (nn.LayerNorm(width) for _ in range(3))
        self.ask = nn.Linear(width, 3 * width)
        self.answer = nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        nn.init.xavier_uniform_(self.ask.weight)
        nn.init.zeros_(self.ask.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Vectors (N, S, W) that know of each other."""
        # The size of a head is given, so that no events at all are fine.
        split = (*x.shape[:2], 3, self.heads, x.shape[2] // self.heads)
        q, k, v = self.ask(self.before(x)).reshape(split).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.answer(mixed.transpose(1, 2).reshape(x.shape))
        x = x + self.feed(self.middle(x))
        out: Tensor = self.after(x)
        return out


class NoRelations(nn.Module):
    """Vectors as they are: every image for itself."""

    def forward(self, x: Tensor) -> Tensor:
        """The same."""
        return x


def relations(width: int, heads: int | None) -> nn.Module:
    """Relations with so many heads, or none."""
    return NoRelations() if heads is None else Relations(width, heads)
