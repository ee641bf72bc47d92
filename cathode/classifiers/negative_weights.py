"""Negative event weights, cancelled locally: cell resampling (Andersen & Maier, 2109.07851)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Neighbours looked up at once for all negative rows; the few that need more ask again.
_FIRST = 16
#: Of a negative weight: less than it is no sum but rounding.
_ROUNDING = 1e-6


def without_negative(x: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (N,) of the same sum and nearly the same local density in x (N, D), none of them negative.

    Around every row of negative weight the smallest cell of nearest neighbours with a sum ≥ 0 is found, distances in
    standard deviations, and the sum is shared in the cell in proportion to the absolute weights. A classifier trained
    with signed weights has a loss without a lower bound; one trained with absolute or clipped weights learns another
    density. The price is a resolution: that of the cells. The sum of the weights must be positive.

    >>> without_negative(np.array([[0.0], [0.1], [5.0]]), np.array([1.0, -0.5, 1.0])).round(6).tolist()
    [0.333333, 0.166667, 1.0]
    """
    from scipy.spatial import cKDTree

    w = weights.copy()
    negative = np.flatnonzero(w < 0)
    if len(negative) == 0:
        return w
    negative = negative[np.argsort(w[negative], kind="stable")]
    spread = x.std(axis=0)
    scaled = x / np.where(spread > 0, spread, 1.0)
    tree = cKDTree(scaled)
    looked_up = min(_FIRST, len(w))
    near = tree.query(scaled[negative], k=looked_up)[1].reshape(len(negative), looked_up)
    for row, neighbours in zip(negative.tolist(), near, strict=True):
        # A row may have been treated already, inside of the cell of another one.
        if w[row] < 0:
            cell = _cell(row, neighbours, w, tree, scaled)
            size = np.abs(w[cell])
            w[cell] = size * max(w[cell].sum(), 0.0) / size.sum()
    return w


def _cell(
    row: int, neighbours: NDArray[np.int64], w: NDArray[np.float64], tree: Any, scaled: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The row and as many of its nearest neighbours as it takes to a sum ≥ 0."""
    while True:
        cell = np.concatenate([[row], neighbours[neighbours != row]])
        # A sum of zero may be a little less after rounding.
        enough = np.cumsum(w[cell]) >= _ROUNDING * w[row]
        if enough.any():
            return cell[: int(np.argmax(enough)) + 1]
        if len(cell) == len(w):
            return cell
        neighbours = tree.query(scaled[row], k=min(4 * len(cell), len(w)))[1]
