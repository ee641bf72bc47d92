"""Observables of two jets from their constituents: from the full phase space to the features of a search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConstituentError
from analysis.features.constituents import Array, FloatArray, jet_momenta, multiplicity
from analysis.features.dijets import tau_ratio
from analysis.features.subjets import subjets
from analysis.features.subjettiness import BETAS, LARGEST, subjettiness

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

#: The columns of `dijet_subjettiness`: masses, and tau1 … tau9 for every β.
DIJET_SUBJETTINESS: tuple[str, ...] = (
    "mj_light",
    "delta_mj",
    *(
        f"tau{number}_{beta:g}_{jet}".replace(".", "p")
        for jet in ("light", "heavy")
        for beta in BETAS
        for number in range(1, LARGEST + 1)
    ),
)

#: Of a single jet, in the order of the pairs above.
JET_SUBSTRUCTURE = ("mass", "tau21", "tau32", "n", "splitting")


def dijet_substructure(x: FloatArray) -> NDArray[np.float32]:
    """The observables `DIJET_SUBSTRUCTURE` (N, D) of pairs of jets of constituents (N, 2, P, 3) = (pT, η, φ).

    Masses and splitting scales √d₁₂ in GeV; n counts constituents. The τ are those of `analysis.features.subjets`. A
    jet with NaN or infinity has NaN.

    Raises
    ------
    ConstituentError
        If x is not (N, 2, P, 3).
    """
    found = jet_substructure(_pairs(x))
    mass = found[..., JET_SUBSTRUCTURE.index("mass")]
    light = np.where(mass[:, 0] <= mass[:, 1], 0, 1)[:, None]
    lighter, heavier = (np.take_along_axis(found, side[..., None], axis=1)[:, 0].T for side in (light, 1 - light))
    (mass_light, *light_others), (mass_heavy, *heavy_others) = lighter, heavier
    pairs = zip(light_others, heavy_others, strict=True)
    columns = (mass_light, mass_heavy - mass_light, *(values for pair in pairs for values in pair))
    return np.stack(columns, axis=1).astype(np.float32)


def dijet_subjettiness(x: FloatArray) -> NDArray[np.float32]:
    """The observables `DIJET_SUBJETTINESS` (N, 56) of pairs of jets of constituents (N, 2, P, 3) = (pT, η, φ).

    Masses in GeV; τ_N of `analysis.features.subjettiness`, those of the lighter jet first ("ext3" of 2309.13111).

    Raises
    ------
    ConstituentError
        If x is not (N, 2, P, 3).
    """
    pairs = _pairs(x)
    mass, tau = jet_momenta(pairs).mass, subjettiness(pairs).reshape(len(pairs), 2, -1)
    light = np.where(mass[:, 0] <= mass[:, 1], 0, 1)[:, None]
    lighter, heavier = (np.take_along_axis(mass, side, axis=1)[:, 0] for side in (light, 1 - light))
    taus = [np.take_along_axis(tau, side[..., None], axis=1)[:, 0] for side in (light, 1 - light)]
    return np.column_stack([lighter, heavier - lighter, *taus]).astype(np.float32)


def jet_substructure(x: FloatArray) -> Array:
    """The observables `JET_SUBSTRUCTURE` (..., 5) of jets of constituents (..., P, 3) = (pT, η, φ).

    Mass and splitting scale √d₁₂ have the unit of pT, GeV in a search; τ21, τ32 and n, the number of constituents, have
    none. A jet with NaN or infinity has NaN.
    """
    found = subjets(x)
    first, second, third = np.moveaxis(found.tau, -1, 0)
    ratios = tau_ratio(second, first), tau_ratio(third, second)
    return np.stack([jet_momenta(x).mass, *ratios, multiplicity(x), found.splitting], axis=-1)


def dijet_mass(x: FloatArray) -> Array:
    """Invariant mass (N,) in GeV of all constituents (N, 2, P, 3) = (pT, η, φ) of two jets."""
    x = _pairs(x)
    return jet_momenta(x.reshape(len(x), -1, 3)).mass


def _pairs(x: FloatArray) -> FloatArray:
    x = np.asarray(x)
    if x.ndim != 4 or x.shape[1] != 2:
        raise ConstituentError(f"x has the shape {x.shape}; pairs of jets are (N, 2, P, 3): pT, η, φ of constituents.")
    return x
