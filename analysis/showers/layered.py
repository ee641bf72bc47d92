"""A calorimeter: layers one behind the other, whose voxels are counted through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from analysis.errors import GeometryError
from analysis.showers.layers import Float, FloatArray, Index, Layer


@dataclass(frozen=True)
class Geometry:
    """Layers from the front to the back; the voxels of one follow those of the layer before it.

    Attributes
    ----------
    name, particle : what it is called, and what is shot at it.
    layers : from the front.
    threshold : GeV; voxels below it count as empty wherever showers are compared.
    sampling : whether energies are those of the active material alone, and not scaled to the incident energy.
    depths : L + 1 edges of the layers along the axis in mm from the front, or None where nobody says.

    Raises
    ------
    GeometryError
        If there is no layer, two have one number, or the depths are not as many or do not rise.
    """

    name: str
    layers: tuple[Layer, ...]
    particle: str = ""
    threshold: float = 0.0
    sampling: bool = False
    depths: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        numbers = [layer.id for layer in self.layers]
        if not numbers or len(set(numbers)) < len(numbers):
            raise GeometryError(f"{self.name}: layers {numbers} have to be there, each number once.")
        if self.depths is not None and (
            len(self.depths) != len(numbers) + 1 or any(b <= a for a, b in pairwise(self.depths))
        ):
            raise GeometryError(f"{self.name}: {len(numbers)} layers lie between {len(numbers) + 1} rising depths.")
        if not self.threshold >= 0:
            raise GeometryError(f"{self.name}: the threshold {self.threshold} is negative.")

    @cached_property
    def offsets(self) -> Index:
        """First voxel of every layer, and behind them the number of all, (L + 1,)."""
        return np.cumsum([0, *(layer.shape[0] * layer.shape[1] for layer in self.layers)], dtype=np.int64)

    @property
    def voxels(self) -> int:
        """Number of voxels V."""
        return int(self.offsets[-1])

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Voxels of every layer."""
        return tuple(slice(int(a), int(b)) for a, b in pairwise(self.offsets))

    @cached_property
    def layer_of_voxels(self) -> Index:
        """Place of its layer for every voxel, counted from 0, (V,)."""
        return np.repeat(np.arange(len(self.layers)), np.diff(self.offsets))

    @cached_property
    def centres(self) -> tuple[Float, Float]:
        """Coordinates x and y of the middle of every voxel in mm, each (V,)."""
        x, y = zip(*(layer.centres() for layer in self.layers), strict=True)
        return np.concatenate(x), np.concatenate(y)

    @cached_property
    def radii(self) -> Float:
        """Distance of the middle of every voxel from the axis in mm, (V,)."""
        return np.concatenate([layer.radii_of_voxels() for layer in self.layers])

    def split(self, voxels: Index) -> tuple[Index, Index, Index]:
        """Place of the layer, row (angle or x) and column (ring or y) of voxels (N,).

        Raises
        ------
        GeometryError
            If a voxel is not one of 0 … V − 1.
        """
        voxels = self._of_ours(voxels)
        layer = self.layer_of_voxels[voxels]
        row, column = np.divmod(voxels - self.offsets[layer], self._columns[layer])
        return layer, row, column

    def join(self, layer: Index, row: Index, column: Index) -> Index:
        """Voxels (N,) of places of layers, rows and columns; undoes `split`.

        Raises
        ------
        GeometryError
            If there is no such layer, row or column.
        """
        layer, row, column = (np.asarray(each, dtype=np.int64) for each in (layer, row, column))
        known = (layer >= 0) & (layer < len(self.layers))
        place = np.where(known, layer, 0)
        bad = ~known | (row < 0) | (row >= self._rows[place]) | (column < 0) | (column >= self._columns[place])
        if bad.any():
            first = tuple(int(np.broadcast_to(each, bad.shape)[bad][0]) for each in (layer, row, column))
            raise GeometryError(f"{self.name} has no voxel at (layer, row, column) = {first}.")
        joined: Index = self.offsets[place] + row * self._columns[place] + column
        return joined

    def locate(self, x: FloatArray, y: FloatArray, layer: Index) -> Index:
        """Voxel (N,) of points at x, y in mm in layers given by their place; −1 where there is none."""
        x, y, layer = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float), np.asarray(layer, np.int64))
        found = np.full(x.shape, -1, dtype=np.int64)
        for place, each in enumerate(self.layers):
            mine = layer == place
            if mine.any():
                voxel = each.locate(x[mine], y[mine])
                found[mine] = np.where(voxel < 0, -1, voxel + self.offsets[place])
        return found

    def layer_at(self, z: FloatArray) -> Index:
        """Place of the layer at depths z in mm from the front, −1 outside.

        Raises
        ------
        GeometryError
            If nobody says where the layers are.
        """
        if self.depths is None:
            raise GeometryError(f"{self.name}: the depths of its layers are not known; give the layer of each point.")
        edges, z = np.array(self.depths), np.asarray(z, float)
        place = np.searchsorted(edges, z, side="right") - 1
        return np.where((z >= edges[0]) & (z < edges[-1]), place, -1)

    def layer_sums(self, energies: FloatArray) -> Float:
        """Energy of every layer (N, L) of voxels (N, V)."""
        return np.stack([energies[:, part].sum(axis=1, dtype=np.float64) for part in self.slices], axis=1)

    @cached_property
    def _rows(self) -> Index:
        return np.array([layer.shape[0] for layer in self.layers], dtype=np.int64)

    @cached_property
    def _columns(self) -> Index:
        return np.array([layer.shape[1] for layer in self.layers], dtype=np.int64)

    def _of_ours(self, voxels: Index) -> Index:
        voxels = np.asarray(voxels, dtype=np.int64)
        bad = (voxels < 0) | (voxels >= self.voxels)
        if bad.any():
            raise GeometryError(f"{self.name} has the voxels 0 to {self.voxels - 1}; there is no {voxels[bad][0]}.")
        return voxels
