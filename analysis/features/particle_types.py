"""What particles with charge, type and impact parameters can be, and numbers of a jet that depend on it.

Clouds (N, P, 13) have the columns of `analysis.datasets.read_jetclass`: Δη, Δφ, pT/pT of the jet, charge, flags of
charged hadrons, neutral hadrons, photons, electrons and muons, then d0, its error, dz and its error; an absent particle
has pT = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConstituentError
from analysis.features.constituents import Array, FloatArray, relative_mass

FEATURES = 13
CHARGE, FLAGS, IDENTITY, DISPLACEMENT = 3, slice(4, 9), slice(3, 9), slice(9, 13)
#: Charged or not, of the five flags.
_CHARGED = np.array([1, 0, 0, 1, 1])
#: A track farther from the collision than so many errors is displaced.
_DISPLACED = 3.0

#: Columns of `jet_numbers`.
NUMBERS = (
    "mass",
    "particles",
    *(
        f"{kind} of {what}"
        for what in ("number", "pT")
        for kind in ("charged", "neutral", "photon", "electron", "muon")
    ),
    "charge weighted by pT",
    "displaced tracks",
    "largest |d0|/σ",
    "largest |d0|",
    "mean |d0|/σ",
    "mean |dz|/σ",
    "mean ln σ(d0)",
    "correlation of ln σ(d0) and ln pT",
)


def impossible_types(clouds: FloatArray) -> NDArray[np.bool_]:
    """Which present particles (N, P) have not exactly one type, or another charge than ±1 or 0 as the type has it.

    Raises
    ------
    ConstituentError
        If they have not thirteen features.
    """
    x = _checked(clouds)
    flags, charge = x[..., FLAGS], x[..., CHARGE]
    one_type = np.isin(flags, (0, 1)).all(axis=-1) & (flags.sum(axis=-1) == 1)
    charged = (flags * _CHARGED).sum(axis=-1) == 1
    right: NDArray[np.bool_] = one_type & np.where(charged, np.abs(charge) == 1, charge == 0)
    return ~right & (x[..., 2] > 0)


def impossible(clouds: FloatArray) -> NDArray[np.bool_]:
    """Which present particles (N, P) can not exist, by `impossible_types` or by their track.

    A neutral one has no impact parameter and no error of one, a charged one has positive errors.
    """
    x = _checked(clouds)
    displacement = x[..., DISPLACEMENT]
    known = (displacement[..., [1, 3]] > 0).all(axis=-1)
    right = np.where(x[..., CHARGE] != 0, known, (displacement == 0).all(axis=-1))
    return impossible_types(x) | (~right & (x[..., 2] > 0))


def jet_numbers(clouds: FloatArray) -> Array:
    """Numbers of every jet, (N, len(NUMBERS)), that see how features of its particles belong together."""
    x = np.asarray(_checked(clouds), np.float64)
    present = x[..., 2] > 0
    pt = np.where(present, x[..., 2], 0.0)
    flags = x[..., FLAGS] * present[..., None]
    track = present & (x[..., CHARGE] != 0) & (x[..., 10] > 0) & (x[..., 12] > 0)
    tracks = np.maximum(track.sum(axis=1), 1)

    def mean(values: FloatArray) -> Array:
        found: Array = np.where(track, values, 0.0).sum(axis=1) / tracks
        return found

    safe = np.where(track[..., None], x[..., DISPLACEMENT], 1.0)
    d0, dz = np.abs(safe[..., 0] / safe[..., 1]), np.abs(safe[..., 2] / safe[..., 3])
    error, momentum = np.log(safe[..., 1]), np.log(np.where(track, pt, 1.0))
    spread = [mean(a * b) - mean(a) * mean(b) for a, b in ((error, momentum), (error, error), (momentum, momentum))]
    return np.column_stack(
        [
            relative_mass(x[..., :3]),
            present.sum(axis=1),
            flags.sum(axis=1),
            (flags * pt[..., None]).sum(axis=1),
            (x[..., CHARGE] * pt).sum(axis=1),
            (track & (d0 > _DISPLACED)).sum(axis=1),
            np.log1p(np.where(track, d0, 0.0).max(axis=1)),
            np.log1p(np.abs(np.where(track, safe[..., 0], 0.0)).max(axis=1)),
            np.log1p(mean(d0)),
            np.log1p(mean(dz)),
            mean(error),
            spread[0] / np.sqrt(np.maximum(spread[1] * spread[2], 1e-12)),
        ]
    )


def _checked(clouds: FloatArray) -> FloatArray:
    x = np.asarray(clouds)
    if x.ndim != 3 or x.shape[2] != FEATURES:
        raise ConstituentError(
            f"clouds of shape {x.shape}: (N, P, {FEATURES}) is needed, as `analysis.datasets.read_jetclass` gives it."
        )
    return x
