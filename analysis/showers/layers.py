"""Layers of a calorimeter, divided into rings and angles or into rectangles.

Voxels of a layer have the shape (rows, columns) with columns fastest: (angle, ring) or (x, y). Lengths in mm, angles in
radians. A cell holds its lower edges and not its upper ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.errors import GeometryError

FloatArray = NDArray[np.floating[Any]]
Float = NDArray[np.float64]
Index = NDArray[np.int64]


class Layer(Protocol):
    """One layer: its number in the detector, and a division of a part of the plane into voxels."""

    @property
    def id(self) -> int:
        """Number of the layer in the detector."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of voxels."""

    @property
    def has_directions(self) -> bool:
        """Whether voxels have two coordinates in the plane, and not a radius alone."""

    @property
    def extent(self) -> float:
        """Largest distance from the axis in mm along a coordinate."""

    def locate(self, x: FloatArray, y: FloatArray) -> Index:
        """Voxel of every point (N,), −1 outside of the layer."""

    def centres(self) -> tuple[Float, Float]:
        """Coordinates x and y of the middle of every voxel, each (V,)."""

    def radii_of_voxels(self) -> Float:
        """Distance of the middle of every voxel from the axis, (V,)."""

    def areas(self) -> Float:
        """Area of every voxel in mm², (V,)."""

    def draw(self, voxels: Index, u: FloatArray, v: FloatArray) -> tuple[Float, Float]:
        """Points x, y in voxels (N,), uniform in their area where u and v (N,) are uniform in [0, 1)."""


def _edges(values: tuple[float, ...], what: str) -> None:
    if len(values) < 2 or not all(math.isfinite(v) for v in values) or any(b <= a for a, b in pairwise(values)):
        raise GeometryError(f"{what} {values} have to be two or more numbers that rise.")


def _inside(values: FloatArray, edges: Float) -> Index:
    """Bin of every value, −1 outside; NaN is outside."""
    bins = np.searchsorted(edges, values, side="right") - 1
    return np.where((values >= edges[0]) & (values < edges[-1]), bins, -1)


def _between(edges: tuple[float, ...], bins: Index, part: FloatArray) -> Float:
    """Places at a part of the way through bins."""
    low, width = np.array(edges)[bins], np.diff(edges)[bins]
    place: Float = low + part * width
    return place


@dataclass(frozen=True)
class PolarLayer:
    """Rings between `radii`, each divided into `angles` equal parts from `start` on.

    CaloChallenge counts angles from −π and flattens with the ring fastest: voxel = angle · rings + ring.

    Raises
    ------
    GeometryError
        If the radii do not rise from 0 or more, or there is no angle.
    """

    id: int
    radii: tuple[float, ...]
    angles: int = 1
    start: float = -math.pi

    def __post_init__(self) -> None:
        _edges(self.radii, f"layer {self.id}: radii")
        if self.radii[0] < 0 or self.angles < 1:
            raise GeometryError(f"layer {self.id}: radii from {self.radii[0]} in {self.angles} angles are no rings.")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of voxels."""
        return self.angles, len(self.radii) - 1

    @property
    def has_directions(self) -> bool:
        """Whether voxels have two coordinates in the plane, and not a radius alone."""
        return self.angles > 1

    @property
    def extent(self) -> float:
        """Largest distance from the axis in mm along a coordinate."""
        return self.radii[-1]

    @cached_property
    def _places(self) -> tuple[Float, Float]:
        """Angle and radius of the middle of every voxel."""
        edges, step = np.array(self.radii), 2 * math.pi / self.angles
        angle = self.start + step * (np.arange(self.angles) + 0.5)
        return np.repeat(angle, self.shape[1]), np.tile((edges[1:] + edges[:-1]) / 2, self.angles)

    def locate(self, x: FloatArray, y: FloatArray) -> Index:
        """Voxel of every point (N,), −1 outside of the layer."""
        ring = _inside(np.hypot(x, y), np.array(self.radii))
        turn = np.mod((np.arctan2(y, x) - self.start) / (2 * math.pi), 1.0)
        # The remainder of a tiny negative number is rounded up to a whole turn, and NaN has no number.
        angle = np.minimum((np.where(ring < 0, 0.0, turn) * self.angles).astype(np.int64), self.angles - 1)
        return np.where(ring < 0, -1, angle * self.shape[1] + ring)

    def centres(self) -> tuple[Float, Float]:
        """Coordinates x and y of the middle of every voxel, each (V,)."""
        angle, radius = self._places
        return radius * np.cos(angle), radius * np.sin(angle)

    def radii_of_voxels(self) -> Float:
        """Distance of the middle of every voxel from the axis, (V,)."""
        return self._places[1]

    def areas(self) -> Float:
        """Area of every voxel in mm², (V,)."""
        return np.tile(np.diff(np.square(self.radii)) * math.pi / self.angles, self.angles)

    def draw(self, voxels: Index, u: FloatArray, v: FloatArray) -> tuple[Float, Float]:
        """Points x, y in voxels (N,), uniform in their area where u and v (N,) are uniform in [0, 1)."""
        row, ring = np.divmod(voxels, self.shape[1])
        squares = np.square(self.radii)
        radius = np.sqrt(squares[ring] + u * (squares[ring + 1] - squares[ring]))
        angle = self.start + 2 * math.pi / self.angles * (row + v)
        return radius * np.cos(angle), radius * np.sin(angle)


@dataclass(frozen=True)
class CartesianLayer:
    """Rectangles between edges in x and y; voxel = x bin · number of y bins + y bin, as CaloGAN counts.

    Raises
    ------
    GeometryError
        If edges do not rise.
    """

    id: int
    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]

    def __post_init__(self) -> None:
        _edges(self.x_edges, f"layer {self.id}: x edges")
        _edges(self.y_edges, f"layer {self.id}: y edges")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of voxels."""
        return len(self.x_edges) - 1, len(self.y_edges) - 1

    @property
    def has_directions(self) -> bool:
        """Whether voxels have two coordinates in the plane, and not a radius alone."""
        return True

    @property
    def extent(self) -> float:
        """Largest distance from the axis in mm along a coordinate."""
        return max(abs(edge) for edges in (self.x_edges, self.y_edges) for edge in (edges[0], edges[-1]))

    def locate(self, x: FloatArray, y: FloatArray) -> Index:
        """Voxel of every point (N,), −1 outside of the layer."""
        i, j = _inside(x, np.array(self.x_edges)), _inside(y, np.array(self.y_edges))
        return np.where((i < 0) | (j < 0), -1, i * self.shape[1] + j)

    def centres(self) -> tuple[Float, Float]:
        """Coordinates x and y of the middle of every voxel, each (V,)."""
        x, y = ((np.array(e[1:]) + np.array(e[:-1])) / 2 for e in (self.x_edges, self.y_edges))
        return np.repeat(x, len(y)), np.tile(y, len(x))

    def radii_of_voxels(self) -> Float:
        """Distance of the middle of every voxel from the axis, (V,)."""
        radii: Float = np.hypot(*self.centres())
        return radii

    def areas(self) -> Float:
        """Area of every voxel in mm², (V,)."""
        return np.outer(np.diff(self.x_edges), np.diff(self.y_edges)).ravel()

    def draw(self, voxels: Index, u: FloatArray, v: FloatArray) -> tuple[Float, Float]:
        """Points x, y in voxels (N,), uniform in their area where u and v (N,) are uniform in [0, 1)."""
        row, column = np.divmod(voxels, self.shape[1])
        return _between(self.x_edges, row, u), _between(self.y_edges, column, v)
