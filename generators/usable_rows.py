"""Which events a density can be learned from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from generators.errors import NonFiniteInputError, ShapeError, TooFewRowsError
from generators.protocols import Array
from generators.sources import chunks_of

#: Events of weight other than zero that a density can be learned from.
MINIMUM_EVENTS = 50


def event_weights(x: Array, weights: Array | None) -> NDArray[np.float64]:
    """Weights (N,) of events x (N, *event) in double precision; one each where none are given."""
    return np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)


def check_rows(x: Array, context: Array, weights: NDArray[np.float64], minimum: int = MINIMUM_EVENTS) -> None:
    """Refuse x (N, *event), context (N, C) and weights (N,) that can not be learned from, by name."""
    if np.ndim(context) != 2:
        raise ShapeError(f"context must be (N, C); it is {np.shape(context)}.")
    if not len(x) == len(context) == len(weights) or weights.ndim != 1:
        raise ShapeError(f"x, context and weights have {len(x)}, {len(context)} and {np.shape(weights)} rows.")
    used = int(np.count_nonzero(weights))
    if used < minimum:
        raise TooFewRowsError(f"{used} events are too few to learn a density from; at least {minimum} are needed.")
    for name, values in (("x", x), ("context", np.asarray(context)), ("weights", weights[:, None])):
        _refuse_non_finite(name, values)
    if minimum and not weights.sum() > 0:
        raise TooFewRowsError(f"The event weights sum to {weights.sum():g}; their sum must be positive.")


def _refuse_non_finite(name: str, values: Array) -> None:
    """Name the first column with a NaN or an infinity; what is large is looked at part by part."""
    if all(np.isfinite(part).all() for _, part in chunks_of(values)):
        return
    wrong = [(start, ~np.isfinite(part)) for start, part in chunks_of(values)]
    column = min(int(np.argmax(bad.any(axis=tuple(range(bad.ndim - 1))))) for _, bad in wrong if bad.any())
    rows = np.concatenate([bad[..., column].reshape(len(bad), -1).any(axis=1) for _, bad in wrong])
    raise NonFiniteInputError(
        f"{name}, column {column}: {int(rows.sum())} of {len(rows)} values are NaN or infinite "
        f"(first in row {int(np.argmax(rows))})."
    )


def relative_weights(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (N,) in units of the mean size of those that are not zero, to 24 bits: the same in every unit."""
    # An event without weight is not there.
    sizes = np.abs(weights[weights != 0])
    if not len(sizes):
        return weights
    # Powers of two are exact; without them sums of the smallest or largest numbers vanish or overflow.
    exponent = np.frexp(sizes.max())[1]
    sizes = np.ldexp(sizes, -exponent)
    mean = sizes.max() if sizes.min() == sizes.max() else sizes.mean()
    shares: NDArray[np.float64] = (np.ldexp(weights, -exponent) / mean).astype(np.float32).astype(np.float64)
    return shares
