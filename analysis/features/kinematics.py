"""Relativistic kinematics of particles given by transverse momentum, pseudorapidity, azimuth and mass, by `vector`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# Temporaries of so many particles stay in the cache of one core; the result does not depend on it.
_BLOCK = 16_384


def four_vectors(pt: Array, eta: Array, phi: Array, mass: Array) -> Any:
    """Momentum four-vectors in double precision, (N,), as a `vector` array in Cartesian coordinates.

    pt and mass (N,) in GeV, phi in radians. Single precision is widened first: in the mass of a narrow pair the large
    energies cancel.
    """
    import vector

    polar = {"pt": pt, "eta": eta, "phi": phi, "mass": mass}
    wide = {name: np.asarray(values, dtype=np.float64) for name, values in polar.items()}
    # Sums of polar vectors go back and forth through arctan2 and arcsinh for every term.
    return vector.array(wide).to_pxpypzenergy()


def pair_mass(first: tuple[Array, Array, Array, Array], second: tuple[Array, Array, Array, Array]) -> Array:
    """Invariant mass of two particles, each (pt, eta, phi, mass) of arrays (N,); GeV in, (N,) float64 GeV out."""
    n = len(first[0])
    mass = np.empty(n)
    for start in range(0, n, _BLOCK):
        part = slice(start, start + _BLOCK)
        total = four_vectors(*(c[part] for c in first)) + four_vectors(*(c[part] for c in second))
        mass[part] = total.mass
    return mass


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
