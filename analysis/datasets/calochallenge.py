"""Layout of the CaloChallenge (Krause et al., 2410.21611): `incident_energies` (N, 1) and `showers` (N, V) in MeV."""

from __future__ import annotations

import os
from typing import ClassVar

from analysis.datasets.shower_files import ShowerFile
from analysis.showers.layered import Geometry
from analysis.showers.voxels import Showers


class CaloChallengeFile(ShowerFile[Showers]):
    """Voxels flattened with the ring fastest, then the angle, then the layer."""

    needs: ClassVar[tuple[str, ...]] = ("incident_energies", "showers")

    def _length(self) -> int:
        return int(self._data["showers"].shape[0])

    def _check(self) -> None:
        n = self._data["incident_energies"].size
        if self._data["showers"].shape != (n, self.geometry.voxels):
            self._refuse(f"showers (N, {self.geometry.voxels}) beside N incident energies")

    def _read(self, start: int, stop: int) -> Showers:
        return Showers(self._incident(start, stop), self._deposits(self._data["showers"][start:stop]))


def read_calochallenge(
    path: str | os.PathLike[str], geometry: Geometry, *, start: int = 0, stop: int | None = None
) -> Showers:
    """Showers `start` to `stop` of a file of the CaloChallenge, in GeV.

    Raises
    ------
    InputFileError, GeometryError, UnitsError, NtupleReadError
        As `analysis.datasets.shower_files.ShowerFile`.
    """
    with CaloChallengeFile(path, geometry) as file:
        return file.read(start, stop)
