"""Jets as sets of massless constituents: momenta of the jet, coordinates relative to an axis.

Constituents are (…, P, 3) with a last axis (pT, η, φ) or, relative to a jet, (Δη, Δφ, pT/pT of the jet). An absent
constituent has pT = 0. What a massless particle has as pseudorapidity is also its rapidity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConstituentError

FloatArray = NDArray[np.floating[Any]]
Array = NDArray[np.float64]

# Constituents whose temporaries stay in the cache of one core; results do not depend on it.
_BLOCK = 65_536


@dataclass(frozen=True, eq=False)
class JetMomenta:
    """Momenta of jets, each array (…): pT, mass and energy in GeV; φ in [−π, π]. Zero without constituents."""

    pt: Array
    eta: Array
    rapidity: Array
    phi: Array
    mass: Array
    energy: Array


def wrap(phi: FloatArray) -> FloatArray:
    """The same angle in [−π, π), in the precision of `phi`.

    >>> wrap(np.array([0.0, 3.5, -3.5])).round(3).tolist()
    [0.0, -2.783, 2.783]
    """
    phi = np.asarray(phi)
    turned = (phi + np.pi) % (2 * np.pi) - np.pi
    # Angles that are inside already keep every bit.
    return np.where((phi >= -np.pi) & (phi < np.pi), phi, turned).astype(phi.dtype)


def multiplicity(x: FloatArray) -> NDArray[np.int64]:
    """Number of constituents of absolute jets (…, P, 3): those with pT > 0."""
    present: NDArray[np.bool_] = checked_constituents(x)[..., 0] > 0
    count: NDArray[np.int64] = present.sum(axis=-1, dtype=np.int64)
    return count


def four_momenta(pt: FloatArray, eta: FloatArray, phi: FloatArray) -> tuple[Array, Array, Array, Array]:
    """(px, py, pz, E) of massless particles, in double precision, with the shape of the arguments."""
    pt, eta, phi = (np.asarray(values, dtype=np.float64) for values in (pt, eta, phi))
    return pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)


def jet_momenta(x: FloatArray) -> JetMomenta:
    """Momenta (…) of the sums of constituents (…, P, 3) = (pT, η, φ).

    Masses below zero by rounding are zero. NaN and infinities stay in the jet that they are in.
    """
    shape = checked_constituents(x).shape
    jets = np.asarray(x).reshape(-1, *shape[-2:])
    total = np.empty((4, len(jets)))
    for part in blocks(len(jets), shape[-2]):
        for component, summed in zip(four_momenta(*np.moveaxis(jets[part], -1, 0)), total, strict=True):
            summed[part] = component.sum(axis=-1)
    px, py, pz, energy = total.reshape(4, *shape[:-2])
    pt = np.hypot(px, py)
    mass = invariant_mass(px, py, pz, energy)
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.where(pt > 0, np.arcsinh(pz / pt), pt)
        # Of a light fast jet, E − pz cancels and √(m² + pT²) does not.
        rapidity = np.where(pt > 0, np.arcsinh(pz / np.hypot(mass, pt)), pt)
    return JetMomenta(pt, eta, rapidity, np.arctan2(py, px), mass, energy)


def relative_mass(clouds: FloatArray) -> Array:
    """Mass over pT (…) of jets given by clouds (…, P, 3) = (Δη, Δφ, pT/pT of the jet)."""
    return jet_momenta(np.asarray(clouds)[..., [2, 0, 1]]).mass


def invariant_mass(px: Array, py: Array, pz: Array, energy: Array) -> Array:
    """√(E² − p²), zero where rounding makes that negative."""
    square = energy**2 - px**2 - py**2 - pz**2
    # Not `maximum`: NaN has to stay.
    return np.sqrt(np.where(square < 0, 0.0, square))


def to_clouds(x: FloatArray, *, pt: FloatArray, eta: FloatArray, phi: FloatArray) -> FloatArray:
    """Clouds (…, P, 3) = (Δη, Δφ, pT/pT_jet) of constituents (…, P, 3) = (pT, η, φ) about axes (…).

    The axis is free: JetNet takes the pseudorapidity of the jet as `eta`, the LHC Olympics clouds its rapidity, with
    which differences do not change under boosts along the beam; `pt` is that of the whole jet, not of the constituents
    that were kept. Absent constituents are all zeros.
    """
    x = checked_constituents(x)
    present = ~(x[..., 0] <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = (x[..., 1] - eta[..., None], wrap(x[..., 2] - phi[..., None]), x[..., 0] / pt[..., None])
    return np.where(present[..., None], np.stack(parts, axis=-1), 0).astype(x.dtype)


def from_clouds(clouds: FloatArray, *, pt: FloatArray, eta: FloatArray, phi: FloatArray) -> FloatArray:
    """Constituents (…, P, 3) = (pT, η, φ) of clouds (…, P, 3) about axes (…): the inverse of `to_clouds`."""
    clouds = checked_constituents(clouds)
    present = ~(clouds[..., 2] <= 0)
    parts = (clouds[..., 2] * pt[..., None], clouds[..., 0] + eta[..., None], wrap(clouds[..., 1] + phi[..., None]))
    return np.where(present[..., None], np.stack(parts, axis=-1), 0).astype(clouds.dtype)


def blocks(n: int, constituents: int) -> Iterator[slice]:
    """Slices of n jets whose constituents stay in the cache."""
    step = max(1, _BLOCK // max(1, constituents))
    return (slice(start, start + step) for start in range(0, n, step))


def checked_constituents(x: FloatArray) -> FloatArray:
    """The array x (…, P, 3) itself.

    Raises
    ------
    ConstituentError
        If it has another shape or is not of floating point.
    """
    x = np.asarray(x)
    if x.ndim < 2 or x.shape[-1] != 3 or not np.issubdtype(x.dtype, np.floating):
        raise ConstituentError(
            f"constituents have the shape {x.shape} and type {x.dtype}; they must be (…, P, 3) of floating point: "
            "pT, η, φ of each, or Δη, Δφ, relative pT."
        )
    return x
