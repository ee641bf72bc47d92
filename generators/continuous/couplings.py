"""Which noise belongs to which event while a path is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override


class Coupling(Protocol):
    """A joint distribution of noise and data with normal noise given the context."""

    def __call__(self, noise: Tensor, data: Tensor, c: Tensor, weights: Tensor) -> Tensor:
        """For every row of noise (N, *event) its row of the data (N, *event), as an index (N,).

        With equal weights (N,) every row of the data is taken once, otherwise in proportion to its weight on average;
        c (N, C) is the context of the data.
        """
        ...


class Independent(Coupling):
    """Row by row, as they come."""

    @override
    def __call__(self, noise: Tensor, data: Tensor, c: Tensor, weights: Tensor) -> Tensor:
        """Weights are left to the loss."""
        return torch.arange(len(data), device=data.device)


@dataclass(frozen=True)
class OptimalTransport(Coupling):
    """Exact assignment of least square distance within groups of a batch (Tong et al., 2302.00482).

    Straighter paths that cross less: fewer solver steps, a loss with less noise. A batch is sorted along a random
    direction in context space and cut into groups of `group` rows, so that noise is exchanged among events of similar
    context only; within a group, noise that was drawn beside an event of context cᵢ pays `context_cost` |cᵢ − cⱼ|² to
    go to one of context cⱼ (Kerrigan et al., 2404.04240). With neither, noise would learn the context of the data,
    the noise given a context would not be normal, and samples, which start from normal noise, would be biased.

    Weights are counted by systematic resampling before the assignment, because matching rows regardless of their
    weights has the same effect.
    """

    group: int = 128
    context_cost: float = 1000.0

    @override
    def __call__(self, noise: Tensor, data: Tensor, c: Tensor, weights: Tensor) -> Tensor:
        with torch.no_grad():
            rows = _resampled(_along_context(c), weights)
            chosen = torch.empty_like(rows)
            for part in torch.split(torch.arange(len(rows), device=rows.device), self.group):
                taken = rows[part]
                cost = torch.cdist(noise[part].flatten(1), data[taken].flatten(1)).square()
                cost += self.context_cost * torch.cdist(c[taken], c[taken]).square()
                chosen[part] = taken[_assigned(cost)]
        return chosen


COUPLINGS: dict[str, type[Coupling]] = {"independent": Independent, "optimal_transport": OptimalTransport}


def _along_context(c: Tensor) -> Tensor:
    """Rows in the order of a random projection of their context (N, C); in a random order if there is none."""
    direction = torch.randn(c.shape[1], 1, device=c.device, dtype=c.dtype)
    return torch.argsort((c @ direction)[:, 0]) if c.shape[1] else torch.randperm(len(c), device=c.device)


def _resampled(order: Tensor, weights: Tensor) -> Tensor:
    """`order` with every row repeated in proportion to its weight, by one random number; as it is for equal weights."""
    reached = weights[order].double().cumsum(0)
    points = torch.arange(len(order), device=order.device, dtype=torch.float64)
    points = (points + torch.rand((), device=order.device, dtype=torch.float64)) * (reached[-1:] / len(order))
    return order[torch.searchsorted(reached, points, right=True).clamp_max(len(order) - 1)]


def _assigned(cost: Tensor) -> Tensor:
    """Column of every row of a square cost matrix, each used once, at the least total cost."""
    from scipy.optimize import linear_sum_assignment

    _, columns = linear_sum_assignment(cost.double().cpu().numpy())
    return torch.as_tensor(np.asarray(columns), device=cost.device)
