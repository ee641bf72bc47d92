"""Observables of a pair of large-radius jets, as the CATHODE search uses them (Hallin et al. 2021, arXiv:2109.00546).

`DIJET_FUNCTIONS` is the table behind the expressions `mjj(FatJet)`, `tau21_light(FatJet)` …: each function takes the
leading and the subleading jet as mappings of field name to array (N,) and returns an array (N,). Masses and momenta are
in GeV. The light jet is the one with the smaller mass, the first one if they are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ExpressionError, nearest
from analysis.features import kinematics

Array = NDArray[np.floating[Any]]
Jet = Mapping[str, Array]

# The same guard as in CATHODE: a jet of one particle has τ1 = τ2 = 0.
_TAU_FLOOR = 1e-5

# Spellings of a field in the common ntuple formats, compared without regard to case.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "pt": ("pt",),
    "eta": ("eta",),
    "phi": ("phi",),
    "mass": ("mass", "m"),
    "tau1": ("tau1", "tau1_wta"),
    "tau2": ("tau2", "tau2_wta"),
    "tau3": ("tau3", "tau3_wta"),
}

DIJET_MASS = "mjj(FatJet)"

DIJET_FEATURES: dict[str, str] = {
    "mj_light": "mj_light(FatJet)",
    "delta_mj": "delta_mj(FatJet)",
    "tau21_light": "tau21_light(FatJet)",
    "tau21_heavy": "tau21_heavy(FatJet)",
}


#: Sets of features by name: those of the CATHODE search; with the distance of the jets; with τ32; and shifted by a
#: tenth of the dijet mass, the stress test of 2109.00546 for methods that want features which do not follow it.
FEATURE_SETS: dict[str, dict[str, str]] = {
    "dijet": DIJET_FEATURES,
    "dijet_dr": {**DIJET_FEATURES, "delta_r": "delta_r(FatJet)"},
    "dijet_tau": {
        **DIJET_FEATURES,
        "tau32_light": "tau32_light(FatJet)",
        "tau32_heavy": "tau32_heavy(FatJet)",
    },
    "dijet_shifted": {
        **DIJET_FEATURES,
        "mj_light": "mj_light(FatJet) + 0.1 * mjj(FatJet)",
        "delta_mj": "delta_mj(FatJet) + 0.1 * mjj(FatJet)",
    },
}


def feature_set(name: str) -> dict[str, str]:
    """Name -> expression of a set of features.

    Raises
    ------
    ExpressionError
        If there is none of that name; says which is nearest.
    """
    if name not in FEATURE_SETS:
        raise ExpressionError(
            f"There is no set of features '{name}'. {nearest(name, FEATURE_SETS)} Or give an expression of each."
        )
    return dict(FEATURE_SETS[name])


@dataclass(frozen=True)
class DijetFunction:
    """A function of two jets and the fields that it reads of each."""

    fields: tuple[str, ...]
    compute: Callable[[Jet, Jet], Array]


def mjj(first: Jet, second: Jet) -> Array:
    """Invariant mass of the two jets, GeV."""
    a, b = ((jet["pt"], jet["eta"], jet["phi"], jet["mass"]) for jet in (first, second))
    return kinematics.pair_mass(a, b)


def mj_light(first: Jet, second: Jet) -> Array:
    """Mass of the lighter jet, GeV."""
    return np.minimum(first["mass"], second["mass"])


def mj_heavy(first: Jet, second: Jet) -> Array:
    """Mass of the heavier jet, GeV."""
    return np.maximum(first["mass"], second["mass"])


def delta_mj(first: Jet, second: Jet) -> Array:
    """Mass of the heavier jet minus that of the lighter one, GeV, never negative."""
    return mj_heavy(first, second) - mj_light(first, second)


def tau_ratio(numerator: Array, denominator: Array) -> Array:
    """Ratio of N-subjettiness, τ_N / (τ_M + 1e-5): finite also for a jet of one particle."""
    return np.asarray(numerator, dtype=np.float64) / (np.asarray(denominator, dtype=np.float64) + _TAU_FLOOR)


def delta_r(first: Jet, second: Jet) -> Array:
    """Distance of the jet axes in (η, φ)."""
    return kinematics.delta_r(first["eta"], first["phi"], second["eta"], second["phi"])


def delta_eta(first: Jet, second: Jet) -> Array:
    """Absolute difference in pseudorapidity."""
    return np.abs(kinematics.delta_eta(first["eta"], second["eta"]))


def delta_phi(first: Jet, second: Jet) -> Array:
    """Absolute difference in azimuth, in [0, π]."""
    return np.abs(kinematics.delta_phi(first["phi"], second["phi"]))


def _tau_function(numerator: str, denominator: str, *, light: bool) -> DijetFunction:
    """Subjettiness ratio of the lighter or of the heavier jet."""

    def compute(first: Jet, second: Jet) -> Array:
        first_is_light = first["mass"] <= second["mass"]
        take_first = first_is_light if light else ~first_is_light
        chosen = (np.where(take_first, first[name], second[name]) for name in (numerator, denominator))
        # Which jet is the lighter one is known of two numbers only.
        known = ~(np.isnan(first["mass"]) | np.isnan(second["mass"]))
        return np.where(known, tau_ratio(*chosen), np.nan)

    return DijetFunction(("mass", numerator, denominator), compute)


DIJET_FUNCTIONS: dict[str, DijetFunction] = {
    "mjj": DijetFunction(("pt", "eta", "phi", "mass"), mjj),
    "mj_light": DijetFunction(("mass",), mj_light),
    "mj_heavy": DijetFunction(("mass",), mj_heavy),
    "delta_mj": DijetFunction(("mass",), delta_mj),
    "tau21_light": _tau_function("tau2", "tau1", light=True),
    "tau21_heavy": _tau_function("tau2", "tau1", light=False),
    "tau32_light": _tau_function("tau3", "tau2", light=True),
    "tau32_heavy": _tau_function("tau3", "tau2", light=False),
    "delta_r": DijetFunction(("eta", "phi"), delta_r),
    "delta_eta": DijetFunction(("eta",), delta_eta),
    "delta_phi": DijetFunction(("phi",), delta_phi),
}
