"""Relativistic kinematics of particles given by transverse momentum, pseudorapidity, azimuth and mass.

In arithmetic of its own, since every process that reads uses it: `vector` takes longer to import than a file to read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# Temporaries of so many particles stay in the cache of one core; the result does not depend on it.
_BLOCK = 16_384


def pair_mass(first: tuple[Array, Array, Array, Array], second: tuple[Array, Array, Array, Array]) -> Array:
    """Invariant mass of two particles, each (pt, eta, phi, mass) of arrays (N,); GeV in, (N,) float64 GeV out.

    Single precision is widened first: in the mass of a narrow pair the large energies cancel. Negative masses are those
    of tachyons, as in `vector`.
    """
    n = len(first[0])
    mass = np.empty(n)
    for start in range(0, n, _BLOCK):
        part = slice(start, start + _BLOCK)
        one, other = (_four_momentum(*(np.asarray(c[part], np.float64) for c in each)) for each in (first, second))
        px, py, pz, energy = (a + b for a, b in zip(one, other, strict=True))
        squared = energy**2 - (px**2 + py**2 + pz**2)
        mass[part] = np.copysign(np.sqrt(np.abs(squared)), squared)
    return mass


def _four_momentum(pt: Array, eta: Array, phi: Array, mass: Array) -> tuple[Array, Array, Array, Array]:
    """px, py, pz and energy in double precision, (N,) each."""
    inverse = np.exp(-eta)
    squared = pt**2 * (0.5 * (1 + inverse**2) / inverse) ** 2
    energy = np.sqrt(np.maximum(np.copysign(mass**2, mass) + squared, 0))
    return pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy


def delta_phi(first: Array, second: Array) -> Array:
    """Azimuth of `first` minus that of `second`, in [−π, π), (N,) float64."""
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return (difference + np.pi) % (2 * np.pi) - np.pi


def delta_eta(first: Array, second: Array) -> Array:
    """Pseudorapidity of `first` minus that of `second`, (N,) float64."""
    return np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)


def delta_r(eta1: Array, phi1: Array, eta2: Array, phi2: Array) -> Array:
    """Distance √(Δη² + Δφ²) of two directions, (N,) float64."""
    return np.hypot(delta_eta(eta1, eta2), delta_phi(phi1, phi2))
