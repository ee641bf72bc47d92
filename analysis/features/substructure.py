"""Observables of two jets from their constituents: from the full phase space to the features of a search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConstituentError
from analysis.features.constituents import Array, FloatArray, jet_momenta, multiplicity
from analysis.features.dijets import tau_ratio
from analysis.features.subjets import subjets

#: The columns of `dijet_substructure`. Light is the jet with the smaller mass, as in the CATHODE search.
DIJET_SUBSTRUCTURE: tuple[str, ...] = (
    "mj_light",
    "delta_mj",
    "tau21_light",
    "tau21_heavy",
    "tau32_light",
    "tau32_heavy",
    "n_light",
    "n_heavy",
    "splitting_light",
    "splitting_heavy",
)


def dijet_substructure(x: FloatArray) -> NDArray[np.float32]:
    """The observables `DIJET_SUBSTRUCTURE` (N, D) of pairs of jets of constituents (N, 2, P, 3) = (pT, η, φ).

    Masses and splitting scales √d₁₂ in GeV; n counts constituents. The τ are those of `analysis.features.subjets`. A
    jet with NaN or infinity has NaN.

    Raises
    ------
    ConstituentError
        If x is not (N, 2, P, 3).
    """
    mass, found, n = jet_momenta(_pairs(x)).mass, subjets(x), multiplicity(x)
    first, second = found.tau[..., 0], found.tau[..., 1]
    per_jet = (mass, tau_ratio(second, first), tau_ratio(found.tau[..., 2], second), n, found.splitting)
    light = np.where(mass[:, 0] <= mass[:, 1], 0, 1)[:, None]
    ordered = [
        (np.take_along_axis(v, light, axis=1)[:, 0], np.take_along_axis(v, 1 - light, axis=1)[:, 0]) for v in per_jet
    ]
    (mass_light, mass_heavy), *others = ordered
    columns = (mass_light, mass_heavy - mass_light, *(values for pair in others for values in pair))
    return np.stack(columns, axis=1).astype(np.float32)


def dijet_mass(x: FloatArray) -> Array:
    """Invariant mass (N,) in GeV of all constituents (N, 2, P, 3) = (pT, η, φ) of two jets."""
    x = _pairs(x)
    return jet_momenta(x.reshape(len(x), -1, 3)).mass


def _pairs(x: FloatArray) -> FloatArray:
    x = np.asarray(x)
    if x.ndim != 4 or x.shape[1] != 2:
        raise ConstituentError(f"x has the shape {x.shape}; pairs of jets are (N, 2, P, 3): pT, η, φ of constituents.")
    return x
