"""Smooth functions of the context: low-order polynomials that stay where the data were."""

from __future__ import annotations

import torch
from torch import Tensor

from generators.errors import MissingContextError, ShapeError


def required(context: Tensor | None, owner: str, columns: int | None = None) -> Tensor:
    """The context, which the map called `owner` can not do without, with so many columns if that is known.

    Raises
    ------
    MissingContextError, ShapeError
        If there is none, or it has another number of columns.
    """
    if context is None or (context.ndim == 2 and context.shape[1] == 0):
        raise MissingContextError(
            f"{owner} depends on the context, but there is none. Give one, or use a bijection without context."
        )
    if context.ndim != 2 or (columns is not None and context.shape[1] != columns):
        raise ShapeError(f"{owner} was fitted with a context (N, {columns}); got {tuple(context.shape)}.")
    return context


def polynomials(context: Tensor, low: Tensor, high: Tensor, order: int) -> Tensor:
    """1 and the Legendre polynomials up to `order` of every context column, (N, 1 + C · order).

    Their argument goes from −1 at `low` to 1 at `high`, (C,), in the logarithm of a column that is positive there, as
    for the networks. Between the sidebands a polynomial of low order can not but pass smoothly; outside of the
    training range the functions keep the value that they have at its end.
    """
    c = torch.minimum(torch.maximum(context.to(low.dtype), low), high)
    tiny = torch.finfo(low.dtype).tiny
    top, value, bottom = (torch.where(low > 0, v.clamp(min=tiny).log(), v) for v in (high, c, low))
    width = top - bottom
    # A constant column says nothing: its argument is 0.
    t = torch.where(width > 0, (2 * value - top - bottom) / torch.where(width > 0, width, torch.ones_like(width)), 0)
    legendre = [torch.ones_like(t), t]
    for n in range(1, order):
        legendre.append(((2 * n + 1) * t * legendre[n] - n * legendre[n - 1]) / (n + 1))
    return torch.cat([t.new_ones(t.shape[0], 1), *legendre[1 : order + 1]], dim=1)


def least_squares(design: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Coefficients (K, …) of the weighted least-squares fit of design (N, K), of order one, to target (N, …).

    Directions of which the rows say nothing get the coefficient zero. Signed weights that leave some direction without
    information are replaced by their absolute values.
    """
    positive = design.T @ (weights.abs()[:, None] * design)
    signed = design.T @ (weights[:, None] * design)
    known, directions = torch.linalg.eigh(positive)
    keep = known > 1e-10
    directions = directions[:, keep] * known[keep].rsqrt()
    # The share of the information that survives the negative weights, direction by direction.
    share = torch.linalg.eigvalsh(directions.T @ signed @ directions)
    w, gram = (weights, signed) if bool((share > 0.1).all()) else (weights.abs(), positive)
    moments = design.T @ (w[:, None] * target.reshape(len(target), -1))
    solution: Tensor = directions @ torch.linalg.solve(directions.T @ gram @ directions, directions.T @ moments)
    return solution.reshape(-1, *target.shape[1:])
