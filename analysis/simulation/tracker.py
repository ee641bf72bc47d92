"""A tracker: which charged particles become tracks, and how well their momentum is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.simulation.calorimeter import log_normal
from analysis.simulation.particles import ELECTRON, MUON, Array, IntArray, Particles

FAMILIES = ("electron", "muon", "hadron")


def family(pdg: IntArray) -> IntArray:
    """Index into FAMILIES, (P,): 0 electron, 1 muon, 2 everything else."""
    return np.select([np.abs(pdg) == ELECTRON, np.abs(pdg) == MUON], [0, 1], default=2)


@dataclass(frozen=True, eq=False)
class Tracks:
    """Reconstructed tracks: `source` (T,) indexes the particles, `pt` is smeared (GeV), `relative_error` σ(pT)/pT."""

    source: IntArray
    pt: Array
    relative_error: Array


@dataclass(frozen=True, eq=False)
class Tracker:
    """Efficiency and momentum resolution in bins of pseudorapidity and momentum, for each family of particles.

    `efficiency` has for each family rows in |η| (`efficiency_eta` are the inner edges) and columns in pT
    (`efficiency_pt`, GeV); `resolution` rows in |η| (`resolution_eta`) of (a, b) in σ(pT)/pT = a ⊕ b · pT.
    """

    acceptance: float
    minimum_pt: float
    efficiency: Mapping[str, ArrayLike]
    efficiency_eta: ArrayLike
    efficiency_pt: ArrayLike
    resolution: Mapping[str, ArrayLike]
    resolution_eta: ArrayLike

    def track(self, particles: Particles, rng: np.random.Generator) -> Tracks:
        """Tracks of charged particles within the acceptance."""
        pt, eta = particles.pt, np.abs(particles.eta)
        within = (particles.charge != 0) & (eta <= self.acceptance) & (pt > self.minimum_pt)
        found = np.flatnonzero(within)
        pt, eta, kind = pt[found], eta[found], family(particles.pdg[found])

        rows, columns = np.searchsorted(self.efficiency_eta, eta), np.searchsorted(self.efficiency_pt, pt)
        kept = rng.random(len(found)) < _table(self.efficiency)[kind, rows, columns]
        found, pt, eta, kind = found[kept], pt[kept], eta[kept], kind[kept]

        constant, slope = _table(self.resolution)[kind, np.searchsorted(self.resolution_eta, eta)].T
        error = np.minimum(np.hypot(constant, slope * pt), 1.0)
        return Tracks(found, log_normal(pt, error * pt, rng), error)


def _table(by_family: Mapping[str, ArrayLike]) -> NDArray[Any]:
    return np.array([by_family[name] for name in FAMILIES])
