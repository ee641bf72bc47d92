"""Clouds of different sizes in one batch: computed in a few parts, each cut to its largest cloud."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

#: Points of a part: more waste more on absent points and leave the cache of a CPU, fewer cost more starting operations.
_POINTS = 2048


def by_length(
    function: Callable[..., Tensor], counts: Tensor, clouds: Tensor, *others: Tensor, rows: int | None = None
) -> Tensor:
    """`function(counts, clouds, *others)` of the rows of a batch, sorted by size, in parts of so many `rows`.

    By default these are as many as hold about 2,000 points.
    `counts` (N,) are the places of clouds (N, P, …) up to the last present point; `others` have one row per cloud.
    What the function returns has one row per cloud, and is padded by zeros to P points if it has as many dimensions as
    the clouds. On a GPU nothing is cut: a fixed shape is worth more there than the absent points cost.
    """
    if clouds.is_cuda or clouds.is_meta or torch.compiler.is_compiling() or counts.shape[0] == 0:
        return function(counts, clouds, *others)
    if rows is None:
        rows = math.ceil(_POINTS / max(1.0, float(counts.float().mean())))
    order = torch.argsort(counts, stable=True)
    results = []
    for part in torch.split(order, rows):
        length = max(1, int(counts[part[-1]]))
        out = function(counts[part], clouds[part, :length], *(other[part] for other in others))
        if out.ndim == clouds.ndim:
            out = functional.pad(out, (0, 0) * (out.ndim - 2) + (0, clouds.shape[1] - length))
        results.append(out)
    joined = torch.cat(results)
    return torch.empty_like(joined).index_copy(0, order, joined)


def prefix_mask(counts: Tensor, points: int) -> Tensor:
    """Which of so many points are present when there are `counts` (N,) of them: (N, P)."""
    return torch.arange(points, device=counts.device) < counts[:, None]
