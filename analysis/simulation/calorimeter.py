"""A calorimeter: its towers, and energy flow that replaces what tracks explain by the tracks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.simulation.particles import Array, IntArray


@dataclass(frozen=True, eq=False)
class Towers:
    """Cells in rings: ring i has `edges[i] ≤ η < edges[i+1]` and `n_phi[i]` equal cells in azimuth from -π."""

    edges: Array
    n_phi: IntArray

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.n_phi.sum())

    @property
    def first(self) -> IntArray:
        """Index of the first cell of each ring."""
        return np.concatenate([[0], np.cumsum(self.n_phi)[:-1]])

    def cell(self, eta: Array, phi: Array) -> IntArray:
        """Index of the cell at each direction, (P,); -1 outside of the rings and for NaN."""
        ring = np.searchsorted(self.edges, eta, side="right") - 1
        covered = (ring >= 0) & (ring < len(self.n_phi)) & ~np.isnan(phi)
        ring = np.where(covered, ring, 0)
        turn = np.where(covered, (phi + np.pi) / (2 * np.pi), 0.0)
        in_ring = np.clip((turn * self.n_phi[ring]).astype(np.int64), 0, self.n_phi[ring] - 1)
        return np.where(covered, self.first[ring] + in_ring, -1)

    def centre_eta(self, cell: IntArray) -> Array:
        """Pseudorapidity of the middle of each cell."""
        ring = self._ring(cell)
        return 0.5 * (self.edges[ring] + self.edges[ring + 1])

    def anywhere_in(self, cell: IntArray, rng: np.random.Generator) -> tuple[Array, Array]:
        """A uniformly random direction (η, φ) inside each cell, which hides the cells' rows from jet clustering."""
        ring = self._ring(cell)
        low, high = self.edges[ring], self.edges[ring + 1]
        eta = low + rng.random(len(cell)) * (high - low)
        phi = -np.pi + 2 * np.pi * (cell - self.first[ring] + rng.random(len(cell))) / self.n_phi[ring]
        return eta, phi

    def _ring(self, cell: IntArray) -> IntArray:
        return np.searchsorted(self.first, cell, side="right") - 1


@dataclass(frozen=True, eq=False)
class Deposits:
    """Energy (GeV) that arrives at (η, φ) of the calorimeter in event `event`; for tracks with its uncertainty."""

    event: IntArray
    eta: Array
    phi: Array
    energy: Array
    error: Array


@dataclass(frozen=True, eq=False)
class EnergyFlow:
    """What a calorimeter adds to the tracks: neutral towers, and a correction factor for each track, (T,)."""

    event: IntArray
    eta: Array
    phi: Array
    energy: Array
    track_scale: Array


@dataclass(frozen=True, eq=False)
class Calorimeter:
    """Towers with an energy resolution σ(η, E) in GeV and thresholds in GeV and in σ.

    The algorithm is the SimpleCalorimeter of Delphes 3 (de Favereau et al., arXiv:1307.6346): the energy of a tower
    is smeared log-normally; if it exceeds the energy of its tracks significantly, the excess becomes a neutral object,
    otherwise the tracks are scaled to the weighted mean of both measurements.
    """

    towers: Towers
    resolution: Callable[[Array, Array], Array]
    minimum_energy: float
    minimum_significance: float

    def energy_flow(self, particles: Deposits, tracks: Deposits, rng: np.random.Generator) -> EnergyFlow:
        """Measure `particles`, given the `tracks` that point to the same towers."""
        n = self.towers.n_cells
        cells = [self.towers.cell(d.eta, d.phi) for d in (particles, tracks)]
        inside = [c >= 0 for c in cells]
        hit, tower = np.unique(
            np.concatenate([d.event[i] * n + c[i] for d, c, i in zip((particles, tracks), cells, inside, strict=True)]),
            return_inverse=True,
        )
        of_particle, of_track = np.split(tower, [int(inside[0].sum())])
        arriving = _sums(of_particle, particles.energy[inside[0]], len(hit))
        tracked = _sums(of_track, tracks.energy[inside[1]], len(hit))
        track_variance = _sums(of_track, tracks.error[inside[1]] ** 2, len(hit))

        eta = self.towers.centre_eta(hit % n)
        energy = log_normal(arriving, self.resolution(eta, arriving), rng)
        error = self.resolution(eta, energy)
        energy = np.where((energy < self.minimum_energy) | (energy < self.minimum_significance * error), 0.0, energy)

        excess = np.maximum(energy - tracked, 0.0)
        neutral = (excess > self.minimum_energy) & (
            excess > self.minimum_significance * np.sqrt(track_variance + error**2)
        )
        scale = np.ones(len(tracks.energy))
        scale[inside[1]] = np.where(neutral, 1.0, _best_scale(tracked, track_variance, energy, error**2))[of_track]

        tower_eta, tower_phi = self.towers.anywhere_in((hit % n)[neutral], rng)
        return EnergyFlow((hit // n)[neutral], tower_eta, tower_phi, excess[neutral], scale)


def log_normal(mean: Array, sigma: Array, rng: np.random.Generator) -> Array:
    """Log-normal numbers of the given mean and standard deviation; zero where the mean is zero."""
    safe = np.where(mean > 0, mean, 1.0)
    width2 = np.log1p((sigma / safe) ** 2)
    return np.where(mean > 0, safe * np.exp(np.sqrt(width2) * rng.standard_normal(len(mean)) - 0.5 * width2), 0.0)


def _sums(tower: IntArray, values: Array, n: int) -> Array:
    """Sum of the values of each tower, (n,)."""
    return np.bincount(tower, values, minlength=n).astype(np.float64)


def _best_scale(tracked: Array, track_variance: Array, energy: Array, variance: Array) -> Array:
    """Factor that brings the tracks of a tower to the inverse-variance mean of track and calorimeter energy."""
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(track_variance > 0, track_variance / (track_variance + variance), 0.0)
        scale = 1.0 + weight * (energy / tracked - 1.0)
    return np.where((tracked > 0) & (track_variance > 0), scale, 1.0)
