"""Voxels without the empty ones: `incident_energies` (N, 1), `offsets` (N + 1,), `index` (P,) and `e` (P,), MeV."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from analysis.datasets.shower_files import ShowerFile
from analysis.showers.voxels import SparseShowers, check_offsets


class SparseShowersFile(ShowerFile[SparseShowers]):
    """Compressed rows; only those that are asked for are read."""

    needs: ClassVar[tuple[str, ...]] = ("incident_energies", "offsets", "index", "e")

    def _length(self) -> int:
        return int(self._data["incident_energies"].shape[0])

    def _check(self) -> None:
        if self._data["index"].shape != self._data["e"].shape or self._data["index"].dtype.kind == "f":
            self._refuse("an integer voxel for every energy")
        self._offsets = self._data["offsets"][:].astype(np.int64)
        check_offsets(self._offsets, self._data["incident_energies"].size, self._data["e"].size)

    def _read(self, start: int, stop: int) -> SparseShowers:
        low, high = int(self._offsets[start]), int(self._offsets[stop])
        return SparseShowers(
            self._incident(start, stop),
            self._offsets[start : stop + 1] - low,
            # Files keep the index narrow; nothing may be added to it before it is wide.
            self._data["index"][low:high].astype(np.int64),
            self._deposits(self._data["e"][low:high]),
            self.geometry.voxels,
        )
