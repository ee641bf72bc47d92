"""Generated particles of many events in flat arrays, and what their PDG numbers mean to a detector."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]

ELECTRON, MUON, PHOTON, K_SHORT, LAMBDA = 11, 13, 22, 310, 3122
NEUTRINOS = (12, 14, 16)
POSITIVE = (211, 321, 2212, 3222, -11, -13, -15, -3112, -3312, -3334)


@dataclass(frozen=True, eq=False)
class Particles:
    """Stable particles: `event` (P,) is the index of their event; momenta in GeV, production vertices in metres."""

    event: IntArray
    pdg: IntArray
    px: Array
    py: Array
    pz: Array
    energy: Array
    x: Array
    y: Array
    z: Array

    def __getitem__(self, index: BoolArray | IntArray) -> Self:
        """Particles by mask or indices."""
        return type(self)(*(getattr(self, f.name)[index] for f in fields(self)))

    @property
    def pt(self) -> Array:
        """Transverse momentum, (P,), GeV."""
        return np.hypot(self.px, self.py)

    @property
    def eta(self) -> Array:
        """Pseudorapidity at the vertex, (P,)."""
        return np.arcsinh(self.pz / self.pt)

    @property
    def phi(self) -> Array:
        """Azimuth at the vertex, (P,), in (-π, π]."""
        return np.arctan2(self.py, self.px)

    @property
    def charge(self) -> IntArray:
        """Electric charge, (P,), in units of e."""
        return np.isin(self.pdg, POSITIVE).astype(np.int64) - np.isin(-self.pdg, POSITIVE)

    @property
    def visible(self) -> BoolArray:
        """Whether a detector can see the particle: everything but neutrinos."""
        return ~np.isin(np.abs(self.pdg), NEUTRINOS)
