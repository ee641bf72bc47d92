"""Which events a density can be learned from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from generators.errors import NonFiniteInputError, ShapeError, TooFewEventsError
from generators.protocols import Array

#: Events of weight other than zero that a density can be learned from.
MINIMUM_EVENTS = 50


def check_rows(x: Array, context: Array, weights: NDArray[np.float64], minimum: int = MINIMUM_EVENTS) -> None:
    """Refuse x (N, *event), context (N, C) and weights (N,) that can not be learned from, by name."""
    if np.ndim(context) != 2:
        raise ShapeError(f"context must be (N, C); it is {np.shape(context)}.")
    if not len(x) == len(context) == len(weights) or weights.ndim != 1:
        raise ShapeError(f"x, context and weights have {len(x)}, {len(context)} and {np.shape(weights)} rows.")
    used = int(np.count_nonzero(weights))
    if used < minimum:
        raise TooFewEventsError(f"{used} events are too few to learn a density from; at least {minimum} are needed.")
    for name, values in (("x", np.asarray(x)), ("context", np.asarray(context)), ("weights", weights[:, None])):
        bad = ~np.isfinite(values)
        if bad.any():
            column = int(np.argmax(bad.any(axis=tuple(range(bad.ndim - 1)))))
            rows = bad[..., column].reshape(len(values), -1).any(axis=1)
            raise NonFiniteInputError(
                f"{name}, column {column}: {int(rows.sum())} of {len(values)} values are NaN or infinite "
                f"(first in row {int(np.argmax(rows))})."
            )
    if minimum and not weights.sum() > 0:
        raise TooFewEventsError(f"The event weights sum to {weights.sum():g}; their sum must be positive.")
