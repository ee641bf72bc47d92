"""Energies of layers as columns of the context: what a generator is told of them, and whether the voxels agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from generators.errors import NonFiniteInputError, ShapeError
from generators.protocols import Array
from generators.sources import chunks_of
from generators.usable_rows import check_rows

#: Added to energies of layers in GeV before the logarithm is taken, over 100: that of CaloFlow.
_EMPTY = 1e-8

#: No logarithm of an energy is as large.
_LARGE = 20.0

#: GeV, the unit of energies in CaloFlow.
_UNIT = 100.0


def told(energies: Tensor) -> Tensor:
    """Logarithms of energies in GeV, which may be zero; all are negative.

    A column of the context that has one sign in training must have it always.
    """
    return (energies.clamp_min(0) / _UNIT + _EMPTY).log10() - _LARGE


def refuse_negative(x: Array, used: NDArray[np.bool_]) -> None:
    """Refuse showers x (N, V) with negative energies among the rows `used` (N,), part by part.

    Raises
    ------
    NonFiniteInputError
        With how many there are, and the first row among those that are used.
    """
    parts = [np.zeros(0, dtype=bool)]
    for start, rows in chunks_of(x):
        below: NDArray[np.bool_] = np.any(rows < 0, axis=1)
        parts.append(below[used[start : start + len(rows)]])
    negative = np.concatenate(parts)
    if negative.any():
        raise NonFiniteInputError(
            f"x: {int(negative.sum())} showers have voxels with negative energy (first in row "
            f"{int(np.argmax(negative))}); an empty voxel has 0."
        )


def check_given(
    x: Array,
    context: Array,
    weights: NDArray[np.float64],
    *,
    kind: str,
    voxels: int,
    given: Sequence[int],
    incident: int | None,
    threshold: float,
    energies: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    minimum: int | None = None,
) -> None:
    """Refuse showers x (N, V) whose `energies` (N, L) above the threshold are not in the columns `given`.

    Raises
    ------
    NonFiniteInputError, ShapeError, TooFewRowsError
        With the rows or the columns.
    """
    if len(np.shape(x)) != 2 or np.shape(x)[1] != voxels:
        raise ShapeError(f"x must be (N, {voxels}), the voxels of layers of {kind}; it is {np.shape(x)}.")
    check_rows(x, context, weights, **({} if minimum is None else {"minimum": minimum}))
    columns = np.shape(context)[1]
    if not all(-columns <= column < columns for column in (*given, incident or 0)):
        raise ShapeError(f"{kind} needs the columns {list(given)} of the context, which has {columns}.")
    used = weights != 0
    found = energies(np.asarray(np.asarray(x)[used], np.float64))
    due = np.asarray(context, np.float64)[used][:, list(given)]
    wrong = (np.abs(found - due) > 1e-3 * (threshold + np.abs(due))).any(axis=1)
    if wrong.any():
        raise ShapeError(
            f"context: columns {list(given)} should hold the energies of layers above the threshold of "
            f"{threshold:g} GeV; in {int(wrong.sum())} of {len(found)} rows they do not."
        )
