"""Showers into files of the CaloChallenge, part by part, so that no more than a part is in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from analysis.atomic import atomic_path
from analysis.errors import GeometryError, TooFewEventsError
from analysis.showers.layered import Geometry
from analysis.showers.voxels import Showers

#: GeV in a MeV.
_MEV = 1e3

#: Numbers in a compressed block of a file.
_BLOCK = 1 << 18


def write_calochallenge(path: str | os.PathLike[str], parts: Iterable[Showers], geometry: Geometry) -> Path:
    """Write `incident_energies` (N, 1) and `showers` (N, V) in MeV, in single precision; returns the path.

    The file appears as a whole when the last part is written.

    Raises
    ------
    GeometryError
        If showers have another number of voxels.
    TooFewEventsError
        If there are none.
    OutputError
        If the place can not be written.
    """
    import h5py

    voxels, rows, written = geometry.voxels, max(1, _BLOCK // geometry.voxels), 0
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        incident = file.create_dataset("incident_energies", (0, 1), np.float32, maxshape=(None, 1), chunks=(4096, 1))
        showers = file.create_dataset(
            "showers", (0, voxels), np.float32, maxshape=(None, voxels), chunks=(rows, voxels), compression="lzf"
        )
        for part in parts:
            if part.voxels != voxels:
                raise GeometryError(f"showers of {part.voxels} voxels are not of {geometry.name}, {voxels}.")
            incident.resize(written + len(part), axis=0)
            showers.resize(written + len(part), axis=0)
            incident[written:, 0] = part.incident * _MEV
            showers[written:] = part.energies * _MEV
            written += len(part)
        if not written:
            raise TooFewEventsError(f"{path}: there is no shower to write.")
    return Path(path)
