"""Layers of different cells on one grid and back, by learned linear maps (GLaM: Amram & Pedro, 2308.03876)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Edges that differ by less than this share of the largest are one edge written in other digits.
_SAME = 1e-9


class CylinderEmbedding(nn.Module):
    """Cells x (N, V) in layers of [angles, rings] with edges `radii`, on the grid (N, layers, angles, rings), and back.

    The rings of the grid are those between any two edges of any layer. At first a cell is spread evenly over its area,
    and what comes back is the least squares inverse of that, so cells come back as they went, and on equal rings both
    maps are the identity; then the maps of rings are learned. A layer with fewer angles has its cells in several angles
    of the grid, shared among them, and gets back the sum: their numbers are to divide the largest.
    """

    def __init__(self, layers: Sequence[Sequence[int]], radii: Sequence[Sequence[float]]) -> None:
        super().__init__()
        common = common_edges(radii)
        self.layers = [(int(angles), int(rings)) for angles, rings in layers]
        self.angles = max(angles for angles, _ in self.layers)
        self.grid = (len(self.layers), self.angles, len(common) - 1)
        spread = [shared_area(edges, common) for edges in radii]
        self.spread = nn.ParameterList(nn.Parameter(each.float()) for each in spread)
        self.collect = nn.ParameterList(nn.Parameter(torch.linalg.pinv(each).float()) for each in spread)

    def forward(self, x: Tensor) -> Tensor:
        """Cells (N, V) on the grid, (N, layers, angles, rings)."""
        parts = torch.split(x, [angles * rings for angles, rings in self.layers], dim=1)
        found = []
        for (angles, rings), part, spread in zip(self.layers, parts, self.spread, strict=True):
            times = self.angles // angles
            on_grid = part.reshape(len(x), angles, rings) @ spread.T.to(x.dtype)
            found.append(on_grid.repeat_interleave(times, dim=1) / times)
        return torch.stack(found, dim=1)

    def back(self, y: Tensor) -> Tensor:
        """Cells (N, V) of a grid (N, layers, angles, rings)."""
        found = []
        for (angles, _), part, collect in zip(self.layers, y.unbind(dim=1), self.collect, strict=True):
            summed = part.reshape(len(y), angles, self.angles // angles, -1).sum(dim=2)
            found.append((summed @ collect.T.to(y.dtype)).flatten(1))
        return torch.cat(found, dim=1)


def common_edges(radii: Sequence[Sequence[float]]) -> list[float]:
    """All edges of all layers, rising."""
    edges = sorted(float(edge) for of_layer in radii for edge in of_layer)
    return [edges[0], *(b for a, b in itertools.pairwise(edges) if b - a > _SAME * edges[-1])]


def shared_area(radii: Sequence[float], common: Sequence[float]) -> Tensor:
    """Share (C, R) of each ring between `radii` that lies in each between the `common` edges."""
    (low, high), (first, last) = (
        (edges[:-1].square(), edges[1:].square())
        for edges in (torch.tensor(list(each), dtype=torch.float64) for each in (common, radii))
    )
    inside = torch.minimum(high[:, None], last) - torch.maximum(low[:, None], first)
    inside = torch.where(inside > _SAME * last[-1], inside, torch.zeros_like(inside))
    return inside / inside.sum(dim=0)
