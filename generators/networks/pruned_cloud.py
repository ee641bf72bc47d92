"""A cloud that learned queries gather into ever fewer points, each size of it with a score (2312.00042)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.networks.three_layers import three_layers

#: Numbers of the whole cloud that a point hears in a critic, and that an embedding passes through.
_OVERALL = 40


class Gather(nn.Module):
    """Points (N, P, W) gathered by so many learned `queries`, (N, queries, W).

    Attention by the difference of query and point (as 2105.14491, which has their sum). It is taken among the points of
    one cloud; in the published code an edge of a point to a query of its own number is replaced without regard to
    which cloud they belong to.
    """

    def __init__(self, queries: int, heads: int, width: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Parameter(torch.randn(queries, heads * width))
        self.ask, self.offer = (nn.Linear(heads * width, heads * width) for _ in range(2))
        self.importance = nn.Parameter(torch.randn(heads, width) / math.sqrt(width))
        self.shift = nn.Parameter(torch.zeros(heads * width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Of points where the mask (N, P) is."""
        offered = self.offer(x).unflatten(2, (self.heads, -1))
        asked = self.ask(self.queries).unflatten(1, (self.heads, -1))
        difference = functional.leaky_relu(offered[:, None] - asked[None, :, None], 0.2)
        scores = torch.einsum("nqphw,hw->nqph", difference, self.importance)
        allowed = (mask | ~mask.any(dim=1, keepdim=True))[:, None, :, None]
        shares = scores.masked_fill(~allowed, -math.inf).softmax(dim=2)
        gathered = torch.einsum("nqph,nphw->nqhw", shares, offered).flatten(2)
        return gathered + self.shift


class CentralUpdate(nn.Module):
    """Points (N, P, W) tell a node in the middle what they are, and hear it back."""

    def __init__(self, width: int, told: int, overall: int, *, points: int, made: dict[str, Any]) -> None:
        super().__init__()
        self.points = points
        self.tell = three_layers(width, told, linear=False, **made)
        self.whole = three_layers(1 + 3 * told, overall, linear=False, **made)
        self.hear = three_layers(told + overall, width, **made)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Of points where the mask (N, P) is."""
        told = self.tell(x)
        whole = self.whole(pooled(told, mask, self.points))
        out: Tensor = self.hear(torch.cat([told, whole[:, None].expand(-1, x.shape[1], -1)], dim=2))
        return out


class Score(nn.Module):
    """One score (N, 1) of points (N, P, W) and of what is known of the cloud (N, C)."""

    def __init__(self, width: int, known: int, *, points: int, made: dict[str, Any]) -> None:
        super().__init__()
        self.points = points
        self.updates = nn.ModuleList(CentralUpdate(width, width, _OVERALL, points=points, made=made) for _ in range(2))
        self.leave = three_layers(1 + 3 * width + known, 1, **made)

    def forward(self, x: Tensor, mask: Tensor, known: Tensor) -> Tensor:
        """Of points where the mask (N, P) is."""
        for update in self.updates:
            x = x + update(x, mask)
        out: Tensor = self.leave(torch.cat([pooled(x, mask, self.points), known], dim=1))
        return out


class PrunedCloud(nn.Module):
    """Scores of points (N, P, F) and of what each of `sizes` of queries has gathered of them: (N, 1 + len(sizes))."""

    def __init__(
        self,
        features: int,
        known: int,
        *,
        points: int,
        sizes: Sequence[int],
        heads: int,
        width: int,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"hidden": hidden, "dropout": dropout, "spectral": True, "normed": False}
        entering = {**made, "spectral": False, "normed": True, "bias": True}
        inner, present = heads * width, (points, *sizes)
        widths = (features, *[inner] * len(sizes))
        self.enter = nn.ModuleList(three_layers(each, inner, **entering) for each in widths[:-1])
        self.update = nn.ModuleList(
            CentralUpdate(inner, _OVERALL, _OVERALL, points=many, made=made) for many in present[:-1]
        )
        self.gather = nn.ModuleList(Gather(queries, heads, width) for queries in sizes)
        self.score = nn.ModuleList(
            Score(each, known, points=many, made=made) for each, many in zip(widths, present, strict=True)
        )

    def forward(self, x: Tensor, mask: Tensor, known: Tensor) -> Tensor:
        """Scores, and what was seen on the way: means of points and everything gathered, (N, 1 + len(sizes) + D)."""
        scores, seen = [self.score[0](x, mask, known)], [_mean(x, mask)]
        for enter, update, gather, score in zip(self.enter, self.update, self.gather, self.score[1:], strict=True):
            x = enter(x)
            x = x + update(x, mask)
            seen.append(_mean(x, mask))
            x = gather(x, mask)
            mask = mask.new_ones(x.shape[:2])
            scores.append(score(x, mask, known))
            seen.append(x.flatten(1))
        return torch.cat([*scores, *seen], dim=1)


def pooled(x: Tensor, mask: Tensor, points: int) -> Tensor:
    """Number and sum of points (N, P, W), both in units of the largest number, mean distance from the mean, maximum.

    (N, 1 + 3 W); zeros of a cloud without points.
    """
    there = mask[..., None]
    count = mask.sum(dim=1, keepdim=True)
    total = torch.where(there, x, 0.0).sum(dim=1)
    mean = total / count.clamp_min(1)
    spread = torch.where(there, (x - mean[:, None]).abs(), 0.0).sum(dim=1) / count.clamp_min(1)
    most = torch.where(there, x, -math.inf).amax(dim=1)
    most = torch.where(count > 0, most, 0.0)
    return torch.cat([count.to(x.dtype) / points, total / points, spread, most], dim=1)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask[..., None], x, 0.0).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp_min(1)
