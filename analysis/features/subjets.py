"""N-subjettiness of many jets: exclusive kT axes and one pass of minimisation, compiled.

The same definition as in `analysis.simulation.jets`, which leaves it to FastJet: axes from exclusive kT clustering
(Catani, Dokshitzer, Seymour, Webber 1993; recombination adds four-momenta), moved to the nearest local minimum of τ_N
(Thaler, Van Tilburg, arXiv:1011.2268, 1108.2701), β = 1, normalised by the radius and the scalar sum of pT.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.compiled import compiled
from analysis.features.constituents import FloatArray, checked_constituents

Array = NDArray[np.float64]

# Distances to an axis are not taken to be shorter than this.
_ACCURACY = 1e-4
# The minimisation ends with a step that gains less of τ. It is flat at its minimum, and the last steps are many.
_GAIN = 2e-5
_STEPS = 1000
_LARGEST = 3


@dataclass(frozen=True, eq=False)
class Subjets:
    """What clustering a jet backwards gives: τ1, τ2, τ3 as `tau` (…, 3) and the kT splitting scale (…), GeV.

    The splitting scale √d₁₂ is the smaller pT of the last two subjets times their distance: about half the mass of the
    parent for a decay in two, small for a jet of one parton (Butterworth, Cox, Forshaw, hep-ph/0201098).
    """

    tau: Array
    splitting: Array


def subjets(x: FloatArray, *, radius: float = 1.0) -> Subjets:
    """N-subjettiness and splitting scale of jets of constituents (…, P, 3) = (pT, η, φ).

    τ_N is zero for N constituents or fewer, NaN for a jet that holds NaN or infinity.
    """
    x = checked_constituents(x)
    jets = np.ascontiguousarray(x.reshape(-1, *x.shape[-2:]))
    tau, splitting = np.empty((len(jets), _LARGEST)), np.empty(len(jets))
    _all_subjets(jets, radius, tau, splitting)
    return Subjets(tau.reshape(*x.shape[:-2], _LARGEST), splitting.reshape(x.shape[:-2]))


def n_subjettiness(x: FloatArray, *, radius: float = 1.0) -> Array:
    """τ1, τ2, τ3 (…, 3) of jets of constituents (…, P, 3) = (pT, η, φ); see `subjets`."""
    return subjets(x, radius=radius).tau


@compiled
def _all_subjets(jets: Any, radius: float, tau: Any, splitting: Any) -> None:
    size = jets.shape[1]
    pt, rap, phi = np.empty(size), np.empty(size), np.empty(size)
    work, owner, nearest = np.empty((7, size)), np.empty(size, np.int64), np.empty(size, np.int64)
    axes, better, norm = np.empty((_LARGEST, 3, 2)), np.empty((_LARGEST, 2)), np.empty(_LARGEST)
    for i in range(len(jets)):
        n = _present(jets[i], pt, rap, phi)
        if n < 0:
            tau[i] = np.nan
            splitting[i] = np.nan
            continue
        splitting[i] = _cluster(n, pt, rap, phi, work, nearest, axes)
        total = 0.0
        for j in range(n):
            total += pt[j]
        for k in range(_LARGEST):
            tau[i, k] = 0.0
            if n > k + 1:
                tau[i, k] = _minimised(n, k + 1, pt, rap, phi, axes[k], better, norm, owner) / (total * radius)


@compiled
def _present(jet: Any, pt: Any, rap: Any, phi: Any) -> int:
    """Fill in the constituents with pT > 0, in φ without a seam; their number, −1 if something is not finite."""
    n = 0
    for j in range(len(jet)):
        p, y, f = float(jet[j, 0]), float(jet[j, 1]), float(jet[j, 2])
        if not math.isfinite(p + y + f):
            return -1
        if p > 0:
            pt[n], rap[n] = p, y
            phi[n] = f if n == 0 else phi[0] + _turned(f - phi[0])
            n += 1
    return n


@compiled
def _turned(angle: float) -> float:
    return angle - 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))


@compiled
def _distance(i: int, j: int, pt2: Any, rap: Any, phi: Any) -> float:
    """Distance d_ij of the kT algorithm; without a beam, the radius changes no order."""
    dy = rap[i] - rap[j]
    dphi = abs(phi[i] - phi[j])
    if dphi > math.pi:
        dphi = 2 * math.pi - dphi
    d: float = min(pt2[i], pt2[j]) * (dy * dy + dphi * dphi)
    return d


@compiled
def _cluster(n: int, pt: Any, rapidity: Any, azimuth: Any, work: Any, nearest: Any, axes: Any) -> float:
    """Cluster n particles by kT; axes[k] (K, 2) get the last k + 1 subjets (y, φ). √d₁₂ is returned."""
    pt2, rap, phi, px, py, pz, energy = work
    best = np.empty(n)
    for i in range(n):
        pt2[i], rap[i], phi[i] = pt[i] * pt[i], rapidity[i], azimuth[i]
        px[i], py[i] = pt[i] * math.cos(phi[i]), pt[i] * math.sin(phi[i])
        pz[i], energy[i] = pt[i] * math.sinh(rap[i]), pt[i] * math.cosh(rap[i])
        best[i], nearest[i] = math.inf, -1
        for j in range(i):
            d = _distance(i, j, pt2, rap, phi)
            if d < best[i]:
                best[i], nearest[i] = d, j
            if d < best[j]:
                best[j], nearest[j] = d, i
    last = 0.0
    while n > 0:
        if n <= len(axes):
            for k in range(n):
                axes[n - 1, k, 0], axes[n - 1, k, 1] = rap[k], phi[k]
        if n == 1:
            break
        i = 0
        for k in range(1, n):
            if best[k] < best[i]:
                i = k
        j = nearest[i]
        last = best[i]
        if i > j:
            i, j = j, i
        _merge(i, j, work)
        n -= 1
        if j != n:
            for row in range(7):
                work[row, j] = work[row, n]
            best[j], nearest[j] = best[n], nearest[n]
        _mend(i, j, n, pt2, rap, phi, best, nearest)
    return math.sqrt(last)


@compiled
def _merge(i: int, j: int, work: Any) -> None:
    """Particle i becomes the sum of i and j."""
    pt2, rap, phi, px, py, pz, energy = work
    px[i] += px[j]
    py[i] += py[j]
    pz[i] += pz[j]
    energy[i] += energy[j]
    pt2[i] = px[i] * px[i] + py[i] * py[i]
    mass2 = max(0.0, energy[i] * energy[i] - pz[i] * pz[i] - pt2[i])
    rap[i] = math.asinh(pz[i] / math.sqrt(pt2[i] + mass2))
    middle = math.atan2(py[i], px[i])
    # On the sheet of the others: constituents may lie on both sides of π.
    phi[i] += _turned(middle - phi[i])


@compiled
def _mend(i: int, j: int, n: int, pt2: Any, rap: Any, phi: Any, best: Any, nearest: Any) -> None:
    """Nearest neighbours after i has become a sum and the last particle has moved to j."""
    best[i], nearest[i] = math.inf, -1
    for k in range(n):
        if k == i:
            continue
        if nearest[k] == i or nearest[k] == j:
            best[k], nearest[k] = math.inf, -1
            for m in range(n):
                if m != k:
                    d = _distance(k, m, pt2, rap, phi)
                    if d < best[k]:
                        best[k], nearest[k] = d, m
        elif nearest[k] == n:
            nearest[k] = j
        d = _distance(k, i, pt2, rap, phi)
        if d < best[k]:
            best[k], nearest[k] = d, i
        if d < best[i]:
            best[i], nearest[i] = d, k


@compiled
def _minimised(n: int, k: int, pt: Any, rap: Any, phi: Any, axes: Any, better: Any, norm: Any, owner: Any) -> float:
    """Σ pT · distance to the nearest of k axes, after Weiszfeld steps of each axis among the particles it owns."""
    found = _assign(n, k, pt, rap, phi, axes, owner)
    for _ in range(_STEPS):
        for a in range(k):
            better[a, 0] = better[a, 1] = norm[a] = 0.0
        for j in range(n):
            a = owner[j]
            dy, dphi = rap[j] - axes[a, 0], phi[j] - axes[a, 1]
            # An axis on a particle would never leave it.
            weight = pt[j] / math.sqrt(dy * dy + dphi * dphi + _ACCURACY * _ACCURACY)
            better[a, 0] += weight * rap[j]
            better[a, 1] += weight * phi[j]
            norm[a] += weight
        for a in range(k):
            if norm[a] > 0:
                axes[a, 0], axes[a, 1] = better[a, 0] / norm[a], better[a, 1] / norm[a]
        now = _assign(n, k, pt, rap, phi, axes, owner)
        gain = found - now
        found = min(found, now)
        if gain < _GAIN * found:
            break
    return found


@compiled
def _assign(n: int, k: int, pt: Any, rap: Any, phi: Any, axes: Any, owner: Any) -> float:
    """Give each particle its nearest axis; Σ pT · distance."""
    total = 0.0
    for j in range(n):
        nearest = math.inf
        for a in range(k):
            dy, dphi = rap[j] - axes[a, 0], phi[j] - axes[a, 1]
            d = dy * dy + dphi * dphi
            if d < nearest:
                nearest = d
                owner[j] = a
        total += pt[j] * math.sqrt(nearest)
    return total
