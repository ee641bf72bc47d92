"""Showers as points, and voxels as points and back without a loss of energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import GeometryError
from analysis.showers.layered import Geometry
from analysis.showers.layers import Float, Index
from analysis.showers.voxels import SparseShowers, check_offsets


@dataclass(frozen=True, eq=False)
class PointShowers:
    """Deposits of showers: shower i has the points from offsets[i] to offsets[i + 1].

    Attributes
    ----------
    incident : (N,) GeV.
    offsets : (N + 1,).
    x, y : (P,) mm across the axis.
    layer : (P,) place of the layer, counted from 0.
    energies : (P,) GeV.

    Raises
    ------
    GeometryError
        If the lengths do not belong together.
    """

    incident: Float
    offsets: Index
    x: NDArray[np.floating[Any]]
    y: NDArray[np.floating[Any]]
    layer: Index
    energies: NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        points = check_offsets(self.offsets, len(self.incident), len(self.energies))
        if {len(self.x), len(self.y), len(self.layer)} != {points}:
            raise GeometryError(
                f"{len(self.x)} x, {len(self.y)} y, {len(self.layer)} layers and {points} energies are no points."
            )

    def __len__(self) -> int:
        return len(self.incident)

    def rows(self, start: int, stop: int) -> PointShowers:
        """Showers `start` to `stop`."""
        start, stop, _ = slice(start, stop).indices(len(self))
        stop = max(start, stop)
        mine = slice(int(self.offsets[start]), int(self.offsets[stop]))
        return PointShowers(
            self.incident[start:stop],
            self.offsets[start : stop + 1] - self.offsets[start],
            self.x[mine],
            self.y[mine],
            self.layer[mine],
            self.energies[mine],
        )

    @property
    def shower(self) -> Index:
        """Shower of every point, (P,)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))


@dataclass(frozen=True, eq=False)
class Voxelised:
    """Showers in voxels, and what did not hit one: `outside` (N, L + 1) GeV by layer, last what is in no layer."""

    showers: SparseShowers
    outside: Float


def voxelise(points: PointShowers, geometry: Geometry) -> Voxelised:
    """Sum points in voxels; voxels and `outside` together hold the energy of the points."""
    voxel = geometry.locate(points.x, points.y, points.layer)
    there, shower = voxel >= 0, points.shower
    energies = points.energies.astype(np.float64)
    key, inverse = np.unique(shower[there] * geometry.voxels + voxel[there], return_inverse=True)
    sums: Float = np.bincount(inverse, weights=energies[there], minlength=len(key)).astype(np.float64)
    number, index = np.divmod(key, geometry.voxels)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=len(points)))]).astype(np.int64)
    layers = len(geometry.layers)
    place = np.where((points.layer >= 0) & (points.layer < layers), points.layer, layers)
    cell = shower[~there] * (layers + 1) + place[~there]
    outside = np.bincount(cell, weights=energies[~there], minlength=len(points) * (layers + 1))
    return Voxelised(
        SparseShowers(points.incident, offsets, index, sums, geometry.voxels),
        outside.reshape(len(points), layers + 1).astype(np.float64),
    )


def at_centres(showers: SparseShowers, geometry: Geometry) -> PointShowers:
    """A point in the middle of every voxel with energy; `voxelise` gives the voxels back.

    Raises
    ------
    GeometryError
        If the showers are of another geometry.
    """
    index = _of_geometry(showers, geometry)
    x, y = geometry.centres
    return _points(showers, geometry, x[index], y[index])


def spread_in_voxels(showers: SparseShowers, geometry: Geometry, rng: np.random.Generator) -> PointShowers:
    """A point anywhere in every voxel with energy, uniform in its area; `voxelise` gives the voxels back.

    Raises
    ------
    GeometryError
        If the showers are of another geometry.
    """
    index = _of_geometry(showers, geometry)
    x, y = np.empty(len(index)), np.empty(len(index))
    # Away from the edges by what rounding can move a point.
    u, v = 1e-9 + (1 - 2e-9) * rng.random((2, len(index)))
    place = geometry.layer_of_voxels[index]
    for number, layer in enumerate(geometry.layers):
        mine = place == number
        x[mine], y[mine] = layer.draw(index[mine] - geometry.offsets[number], u[mine], v[mine])
    return _points(showers, geometry, x, y)


def _points(showers: SparseShowers, geometry: Geometry, x: Float, y: Float) -> PointShowers:
    layer = geometry.layer_of_voxels[showers.index]
    return PointShowers(showers.incident, showers.offsets, x, y, layer, showers.energies)


def _of_geometry(showers: SparseShowers, geometry: Geometry) -> Index:
    if showers.voxels != geometry.voxels:
        raise GeometryError(f"showers of {showers.voxels} voxels are not of {geometry.name}, {geometry.voxels}.")
    return showers.index
