"""How the context enters a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.errors import NonFiniteInputError, ShapeError
from generators.protocols import Array


@dataclass(frozen=True, eq=False)
class ContextMap:
    """Takes context columns to [−1, 1] over the training range, positive ones by their logarithm.

    A mass spectrum falls over many decades of events, and what depends on the mass does so by its ratio to other
    scales: in ln m a network interpolates the dijet features better than in m. A constant column keeps its scale.

    Attributes
    ----------
    logarithmic : (C,) bool, whether the logarithm is taken first.
    shift, scale : (C,) of what comes after.
    """

    logarithmic: Tensor
    shift: Tensor
    scale: Tensor

    def __post_init__(self) -> None:
        one = self.shift.shape
        if (
            len(one) != 1
            or self.scale.shape != one
            or self.logarithmic.shape != one
            or self.logarithmic.dtype != torch.bool
        ):
            raise ShapeError("The map of a context has one truth value, one shift and one scale for every column.")
        if not bool(torch.isfinite(self.shift).all() & torch.isfinite(self.scale).all() & (self.scale > 0).all()):
            raise NonFiniteInputError("Shifts and scales of a context must be finite, and scales positive.")

    @classmethod
    def of(cls, c: Tensor, linear: Sequence[int] = ()) -> ContextMap:
        """The map for training context c (N, C), without a logarithm of the columns that are `linear`."""
        logarithmic = (c > 0).all(dim=0)
        logarithmic[list(linear)] = False
        values = _logarithm(c, logarithmic)
        low, high = values.amin(dim=0), values.amax(dim=0)
        half = (high - low) / 2
        return cls(logarithmic, (low + high) / 2, torch.where(half > 0, half, torch.ones_like(half)))

    def __call__(self, c: Tensor) -> Tensor:
        """Map c (N, C).

        Raises
        ------
        NonFiniteInputError
            If a column that was positive in training is not.
        """
        wrong = ((c <= 0) & self.logarithmic).sum(dim=0)
        if bool(wrong.any()):
            column = int(wrong.argmax())
            raise NonFiniteInputError(
                f"context, column {column}: {int(wrong[column])} of {len(c)} values are zero or negative, but all were "
                "positive in training. Use the unit and the sign of the training."
            )
        return self.apply(c)

    def apply(self, c: Tensor) -> Tensor:
        """Map c (N, C) without a look at it."""
        return (_logarithm(c, self.logarithmic) - self.shift) / self.scale


def as_columns(context: Array) -> NDArray[Any]:
    """A context (N, C) as it is; (N,) is one of a single column, (N, 1).

    >>> as_columns(np.array([3.0, 4.0])).shape
    (2, 1)
    """
    c = np.asarray(context)
    return c[:, None] if c.ndim == 1 else c


def context_rows(context: Array, columns: int) -> NDArray[np.float64]:
    """Context (N, C) of as many columns in double precision; of a single column (N,) will do.

    >>> context_rows(np.array([3.0, 4.0]), 1).shape
    (2, 1)

    Raises
    ------
    ShapeError
        If the columns are others.
    """
    c = np.asarray(context, np.float64)
    if columns == 1:
        c = as_columns(c)
    if c.ndim != 2 or c.shape[1] != columns:
        raise ShapeError(f"context has shape {c.shape}; it must be (events, {columns}).")
    return c


def _logarithm(c: Tensor, logarithmic: Tensor) -> Tensor:
    return torch.where(logarithmic, torch.where(logarithmic, c, torch.ones_like(c)).log(), c)
