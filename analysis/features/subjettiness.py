"""N-subjettiness of many jets for any number of axes and any angular exponent, about exclusive kT axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.compiled import compiled
from analysis.features.constituents import FloatArray, checked_constituents
from analysis.features.subjets import _cluster, _present

Array = NDArray[np.float64]

#: Axes and exponents of the features of 2309.13111 ("ext3"): τ1 … τ9 for β = 1/2, 1 and 2.
LARGEST, BETAS = 9, (0.5, 1.0, 2.0)


def subjettiness(
    x: FloatArray, *, largest: int = LARGEST, betas: Sequence[float] = BETAS, radius: float = 1.0
) -> Array:
    """τ_N of jets of constituents (…, P, 3) = (pT, η, φ) for N = 1 … `largest` and every β: (…, betas, largest).

    τ_N = Σ pT min ΔR^β / Σ pT R^β over the constituents, with the distance to the nearest of the N exclusive kT subjets
    (Thaler & Van Tilburg, 1011.2268). The axes are not moved to the minimum of τ, which is another one for every β;
    `analysis.features.subjets` does so for β = 1. τ_N is zero for N constituents or fewer, NaN for a jet with NaN.
    """
    x = checked_constituents(x)
    jets = np.ascontiguousarray(x.reshape(-1, *x.shape[-2:]))
    out = np.empty((len(jets), len(betas), largest))
    _all_jets(jets, radius, np.asarray(betas, np.float64), largest, out)
    return out.reshape(*x.shape[:-2], len(betas), largest)


@compiled
def _all_jets(jets: Any, radius: float, betas: Any, largest: int, out: Any) -> None:
    size = jets.shape[1]
    pt, rap, phi = np.empty(size), np.empty(size), np.empty(size)
    work, nearest = np.empty((7, size)), np.empty(size, np.int64)
    axes = np.empty((largest, largest, 2))
    for i in range(len(jets)):
        n = _present(jets[i], pt, rap, phi)
        if n < 0:
            out[i] = np.nan
            continue
        _cluster(n, pt, rap, phi, work, nearest, axes)
        total = 0.0
        for j in range(n):
            total += pt[j]
        for k in range(largest):
            for b in range(len(betas)):
                out[i, b, k] = 0.0
            if n <= k + 1:
                continue
            for j in range(n):
                least = math.inf
                for a in range(k + 1):
                    dphi = abs(phi[j] - axes[k, a, 1])
                    if dphi > math.pi:
                        dphi = 2 * math.pi - dphi
                    least = min(least, (rap[j] - axes[k, a, 0]) ** 2 + dphi * dphi)
                for b in range(len(betas)):
                    out[i, b, k] += pt[j] * (math.sqrt(least) / radius) ** betas[b] / total
