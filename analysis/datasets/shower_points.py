"""Points of showers, in compressed rows or padded as CaloClouds has them (Buhmann et al., 2305.04847)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis.datasets.shower_files import ShowerFile
from analysis.errors import GeometryError
from analysis.showers.layers import Index
from analysis.showers.points import PointShowers
from analysis.showers.voxels import check_offsets


class _FileOfPoints(ShowerFile[PointShowers]):
    """What all files of points share."""

    def _layers(self, values: NDArray[np.generic]) -> Index:
        """Places of layers, whole numbers that the geometry has."""
        layers = np.asarray(values, dtype=np.float64)
        bad = ~((layers == np.round(layers)) & (layers >= 0) & (layers < len(self.geometry.layers)))
        if bad.any():
            raise GeometryError(
                f"'{self.path}': {self.geometry.name} has the layers 0 to {len(self.geometry.layers) - 1}; there is no "
                f"{layers[bad][0]:g}."
            )
        return layers.astype(np.int64)


class PointsFile(_FileOfPoints):
    """`incident_energies` (N, 1) and `e` (P,) in MeV, `offsets` (N + 1,), `x` and `y` in mm, `layer`, each (P,)."""

    needs: ClassVar[tuple[str, ...]] = ("incident_energies", "offsets", "x", "y", "layer", "e")

    def _length(self) -> int:
        return int(self._data["incident_energies"].shape[0])

    def _check(self) -> None:
        if len({self._data[name].shape for name in ("x", "y", "layer", "e")}) > 1:
            self._refuse("a place and a layer for every energy")
        self._offsets = self._data["offsets"][:].astype(np.int64)
        check_offsets(self._offsets, self._data["incident_energies"].size, self._data["e"].size)

    def _read(self, start: int, stop: int) -> PointShowers:
        low, high = int(self._offsets[start]), int(self._offsets[stop])
        x, y, layer, energies = (self._data[name][low:high] for name in ("x", "y", "layer", "e"))
        return PointShowers(
            self._incident(start, stop),
            self._offsets[start : stop + 1] - low,
            x,
            y,
            self._layers(layer),
            self._deposits(energies),
        )


class CaloCloudsFile(_FileOfPoints):
    """`energy` (N, 1) and `events` (N, P, 4) of x, layer, z and energy, mm and GeV; no energy is no point."""

    needs: ClassVar[tuple[str, ...]] = ("energy", "events")
    units: ClassVar[tuple[str, str]] = ("GeV", "GeV")

    def _length(self) -> int:
        return int(self._data["energy"].shape[0])

    def _check(self) -> None:
        n, events = self._data["energy"].size, self._data["events"]
        if events.ndim != 3 or events.shape[0] != n or events.shape[2] != 4:
            self._refuse("events (N, points, 4) beside N energies")

    def _read(self, start: int, stop: int) -> PointShowers:
        events = self._data["events"][start:stop]
        there = events[..., 3] != 0
        x, layer, z, energies = events[there].T
        offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
        return PointShowers(self._incident(start, stop), offsets, x, z, self._layers(layer), self._deposits(energies))
