"""Sums broken into pieces one after another: positive numbers as their sum and shares of what is left."""

from __future__ import annotations

import torch
from torch import Tensor


def shares(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sum R₀ (N, 1) and shares x_{i−1}/R_{i−1} (N, D − 1) of x (N, D), and log|det| (N,) = −Σ log R_i, i < D − 1.

    R_i = Σ_{j ≥ i} x_j is what is left before piece i. Where nothing is left the share is 0. A row with a negative
    piece can not occur: its log|det| is −∞.
    """
    backwards = list(reversed(range(x.shape[1])))
    left = x[:, backwards].cumsum(dim=1)[:, backwards]
    safe = left[:, :-1].clamp(min=torch.finfo(x.dtype).tiny)
    impossible = (x < 0).any(dim=1)
    log_det = torch.where(impossible, -torch.inf, -safe.log().sum(dim=1))
    return left[:, :1], x[:, :-1] / safe, log_det


def pieces(total: Tensor, share: Tensor) -> Tensor:
    """Pieces (N, D) of a sum (N, 1) and shares (N, D − 1), of which none is below 0 or above 1; undoes `shares`."""
    share = share.clamp(0, 1)
    # A running product is not among the operations of ONNX.
    left = (1 - share).clamp(min=torch.finfo(share.dtype).tiny).log().cumsum(dim=1).exp()
    rest = torch.cat([total, total * left], dim=1)
    return torch.cat([share * rest[:, :-1], rest[:, -1:]], dim=1)
