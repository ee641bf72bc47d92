"""How far what is made is from what is true, for the choice of an epoch: the losses of adversaries do not say."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def sliced_wasserstein(x: Tensor, y: Tensor, weights: Tensor, directions: Tensor) -> Tensor:
    """Mean over `directions` (D, K) of the distance W₁ of x (N, D) and y (N, D) along each, both with weights (N,).

    Along a line W₁ is the area between the distribution functions (Bonneel et al. 2015 for the slices), which makes
    sense of negative weights too.
    """
    along = torch.cat([x, y]) @ directions
    order = along.argsort(dim=0)
    signed = torch.cat([weights, -weights]) / weights.sum()
    difference = signed[order].cumsum(dim=0)[:-1]
    areas = difference.abs() * along.gather(0, order).diff(dim=0)
    return areas.sum(dim=0).mean()


def directions_of(features: int, count: int, *, like: Tensor) -> Tensor:
    """Random directions (D, count) of length one, with the random numbers of torch."""
    drawn = torch.randn(features, count, dtype=like.dtype, device=like.device)
    return nn.functional.normalize(drawn, dim=0)
