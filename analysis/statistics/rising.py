"""Does a spectrum rise? Above a threshold of trigger or selection it falls; where it rises, it still turns on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.weights import standardised

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Rise:
    """The most significant rise of a spectrum.

    Attributes
    ----------
    low, high : centres of the lower and of the higher bin, in the unit of the mass.
    z : difference of their densities over its error; negative where the spectrum falls everywhere.
    p_value : chance that a spectrum which rises nowhere shows so large a rise in any pair of bins; an upper bound.
    """

    low: float
    high: float
    z: float
    p_value: float


def largest_rise(
    mass: FloatArray, low: float, high: float, *, weights: FloatArray | None = None, bins: int = 6
) -> Rise | None:
    """Compare the densities of all pairs of bins of equal relative width; masses and weights (N,).

    Bonferroni's factor for the pairs makes the p-value an upper bound: in a spectrum that falls or is flat it is below
    α in at most a fraction α of the samples. None where there is nothing in the range.

    >>> found = largest_rise(np.repeat(np.linspace(1, 2, 100), 30) ** 0.5, 1.0, 1.4)
    >>> found.high > found.low, found.p_value < 1e-3
    (True, True)
    """
    edges = np.geomspace(low, high, bins + 1)
    share = np.ones(len(mass)) if weights is None else standardised(weights)
    place = np.searchsorted(edges, mass, side="right") - 1
    inside = (place >= 0) & (place < bins)
    width = np.diff(edges)
    density = np.bincount(place[inside], share[inside], bins) / width
    # One event more in the variance: a bin that is empty by chance is not known to be empty.
    unit = float(np.mean(share[inside] ** 2)) if inside.any() else 0.0
    variance = (np.bincount(place[inside], share[inside] ** 2, bins) + unit) / width**2
    if not unit > 0:
        return None
    pairs = list(itertools.combinations(range(bins), 2))
    z = [float((density[k] - density[i]) / np.sqrt(variance[i] + variance[k])) for i, k in pairs]
    best = int(np.argmax(z))
    centres = np.sqrt(edges[:-1] * edges[1:])
    first, second = pairs[best]
    p_value = min(1.0, len(pairs) * float(stats.norm.sf(z[best])))
    return Rise(float(centres[first]), float(centres[second]), z[best], p_value)
