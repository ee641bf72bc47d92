"""Event weights without their unit: no result but a sum of weights may depend on what a weight of one means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]

#: Bits of a weight that count: as many as networks and trees see of it.
_BITS = 24


def unit(weights: FloatArray) -> float:
    """The power of two below the largest |weight| of (N,); 1 if there is none but zeros.

    Dividing by it is exact, and leaves weights whose squares neither vanish nor overflow.

    >>> unit(np.array([3.0, -5.0])), unit(np.array([1e-300])) > 0
    (4.0, True)
    """
    largest = float(np.abs(weights).max(initial=0.0))
    return float(np.ldexp(0.5, np.frexp(largest)[1])) if largest > 0 else 1.0


def mean_size(weights: FloatArray) -> float:
    """Mean of |weight| of (N,) without zeros; of equal ones it is their size to the last bit, and of none 1.

    >>> mean_size(np.array([0.1, 0.1, -0.1]))
    0.1
    """
    scale = unit(weights)
    size = np.abs(np.asarray(weights, dtype=np.float64) / scale)
    size = size[size > 0]
    if not len(size):
        return 1.0
    # The mean of equal numbers is not always that number.
    return float(size.max() if size.min() == size.max() else size.mean()) * scale


def standardised(weights: FloatArray) -> NDArray[np.float64]:
    """Weights (N,) in units of their `mean_size`, to 24 bits; what is left is the same in every unit.

    Without the rounding, the last bit of a weight would remember the unit, and could decide on which side of a border
    an event falls.

    >>> standardised(np.array([0.001, 0.001, -0.001])).tolist()
    [1.0, 1.0, -1.0]
    """
    w = np.asarray(weights, dtype=np.float64) / unit(weights)
    mantissa, exponent = np.frexp(w / mean_size(w))
    rounded: NDArray[np.float64] = np.ldexp(np.round(np.ldexp(mantissa, _BITS)), exponent - _BITS)
    return rounded


def sum_and_unit(weights: FloatArray) -> tuple[float, float]:
    """Sum of weights (N,), and Σw²/Σw: so much weight fluctuates like one event of weight one.

    >>> sum_and_unit(np.array([1e-200, 1e-200]))
    (2e-200, 1e-200)
    """
    scale = unit(weights)
    w = weights / scale
    total = float(w.sum())
    return total * scale, (float(np.square(w).sum()) / total) * scale if total else 0.0


def effective_sample_size(weights: FloatArray) -> float:
    """Number of unweighted events with the same relative error of their sum, (Σw)²/Σw² (Kish 1965).

    >>> effective_sample_size(np.array([2.0, 2.0, 2.0]))
    3.0
    >>> effective_sample_size(np.array([1.0, 0.0, 0.0]))
    1.0
    """
    w = np.asarray(weights) / unit(weights)
    squares = float(np.square(w).sum())
    return float(w.sum()) ** 2 / squares if squares > 0 else 0.0
