"""What is looked at in showers: energies and shapes of layers, as the CaloChallenge defines them (2410.21611).

Voxels below the threshold of the geometry are set to zero in all samples before anything is computed. With w the energy
of a voxel in MeV, the centre of energy of a layer in x is Σ w x / (Σ w + 1e-16), its width √max(⟨x²⟩ − ⟨x⟩², 0), and
its sparsity the share of voxels without energy. "η" and "φ" are x and y in mm, r is the distance from the axis; all at
the middles of voxels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import GeometryError, TooFewEventsError
from analysis.showers.layered import Geometry
from analysis.showers.layers import Float
from analysis.showers.voxels import Showers

#: MeV in a GeV: the conventions below are in MeV.
_MEV = 1e3
_TINY = 1e-16
#: MeV; keeps the logarithm of an empty layer finite.
_FLOOR = 1e-8


@dataclass(frozen=True, eq=False)
class Observables:
    """Observables of N showers with L layers, of which D have voxels with two coordinates.

    Attributes
    ----------
    incident, total : (N,) GeV.
    layers : (N, L) GeV.
    eta, phi, eta_width, phi_width : (N, D) mm.
    radius, radius_width : (N, L) mm.
    sparsity : (N, L).
    largest : (N,) GeV of the voxel with most energy.
    """

    incident: Float
    total: Float
    layers: Float
    eta: Float
    phi: Float
    eta_width: Float
    phi_width: Float
    radius: Float
    radius_width: Float
    sparsity: Float
    largest: Float

    def __len__(self) -> int:
        return len(self.incident)

    @property
    def response(self) -> Float:
        """Total over incident energy, (N,)."""
        return self.total / self.incident

    @property
    def ratios(self) -> Float:
        """Share of every layer in the total, 0 for an empty shower, (N, L)."""
        total = self.total[:, None]
        return np.divide(self.layers, total, out=np.zeros_like(self.layers), where=total > 0)

    def rows(self, index: NDArray[Any]) -> Observables:
        """Those of some showers."""
        return Observables(*(getattr(self, field.name)[index] for field in fields(self)))


def observables(chunks: Iterable[Showers], geometry: Geometry) -> Observables:
    """Observables of showers, which come in parts of whatever size.

    Raises
    ------
    GeometryError
        If showers have another number of voxels.
    TooFewEventsError
        If there is no shower.
    """
    parts = [_of_chunk(cut(chunk, geometry), geometry) for chunk in chunks]
    if not parts:
        raise TooFewEventsError("there is no shower to look at.")
    return Observables(*(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Observables)))


def cut(showers: Showers, geometry: Geometry) -> Showers:
    """The same showers with nothing in voxels below the threshold.

    Raises
    ------
    GeometryError
        If they have another number of voxels.
    """
    if showers.voxels != geometry.voxels:
        raise GeometryError(f"showers of {showers.voxels} voxels are not of {geometry.name}, {geometry.voxels}.")
    energies = showers.energies
    return Showers(showers.incident, np.where(energies < geometry.threshold, energies.dtype.type(0), energies))


def high_level(found: Observables) -> Float:
    """Vectors (N, F) of the challenge's classifier on high-level features, of FPD and of KPD.

    log₁₀ E_inc, log₁₀ of layer energies and total in MeV, centres and widths in 10 cm, sparsity: 30 columns for photons
    of data set 1, 46 for pions, 362 for data sets 2 and 3.
    """
    return np.column_stack(
        [
            np.log10(found.incident * _MEV),
            np.log10(found.layers * _MEV + _FLOOR),
            found.eta / 100,
            found.phi / 100,
            found.eta_width / 100,
            found.phi_width / 100,
            np.log10(found.total * _MEV + _FLOOR),
            found.sparsity,
            found.radius / 100,
            found.radius_width / 100,
        ]
    )


def low_level(showers: Showers, geometry: Geometry) -> NDArray[np.float32]:
    """Vectors (N, V + 1) of the classifier on low-level features: log₁₀ E_inc in MeV and voxels over E_inc, cut."""
    energies = cut(showers, geometry).energies
    first = np.log10(showers.incident * _MEV)
    return np.column_stack([first, energies / showers.incident[:, None]]).astype(np.float32)


def low_level_normed(showers: Showers, geometry: Geometry) -> NDArray[np.float32]:
    """Vectors (N, V + L + 1): log₁₀ E_inc, voxels over the energy of their layer, log₁₀ of these, all in MeV and cut.

    The challenge's own program leaves the voxels uncut here though it cuts the layers; these are cut.
    """
    energies = cut(showers, geometry).energies.astype(np.float64) * _MEV
    layers = geometry.layer_sums(energies)
    normed = energies / (layers + _TINY)[:, geometry.layer_of_voxels]
    return np.column_stack([np.log10(showers.incident * _MEV), normed, np.log10(layers + _FLOOR)]).astype(np.float32)


def _of_chunk(showers: Showers, geometry: Geometry) -> Observables:
    energies = showers.energies.astype(np.float64) * _MEV
    layers = geometry.layer_sums(energies)
    x, y = geometry.centres
    directed = [i for i, layer in enumerate(geometry.layers) if layer.has_directions]
    every = list(range(len(geometry.layers)))
    eta, eta_width = _moments(energies, layers, x, geometry, directed)
    phi, phi_width = _moments(energies, layers, y, geometry, directed)
    radius, radius_width = _moments(energies, layers, geometry.radii, geometry, every)
    full = np.stack([(energies[:, part] > 0).mean(axis=1) for part in geometry.slices], axis=1)
    return Observables(
        showers.incident,
        layers.sum(axis=1) / _MEV,
        layers / _MEV,
        eta,
        phi,
        eta_width,
        phi_width,
        radius,
        radius_width,
        1 - full,
        energies.max(axis=1) / _MEV,
    )


def _moments(energies: Float, sums: Float, place: Float, geometry: Geometry, layers: list[int]) -> tuple[Float, Float]:
    """Centre of energy and width along a coordinate (V,) in some layers, each (N, number of these)."""
    first, second = np.empty((len(energies), len(layers))), np.empty((len(energies), len(layers)))
    for column, layer in enumerate(layers):
        part = geometry.slices[layer]
        at = place[part]
        total = sums[:, layer] + _TINY
        # A product of matrices would round otherwise for another number of rows.
        first[:, column] = (energies[:, part] * at).sum(axis=1) / total
        second[:, column] = (energies[:, part] * at**2).sum(axis=1) / total
    return first, np.sqrt(np.maximum(second - first**2, 0))
