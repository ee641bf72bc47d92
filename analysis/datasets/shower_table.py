"""Showers as a table of observables, so that all that is said of ntuples holds for them too."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.datasets.shower_files import open_showers
from analysis.errors import InputFileError, TreeNotFoundError, nearest
from analysis.expressions.column import Column
from analysis.metrics.showers import cut, observables
from analysis.showers.detectors import GEOMETRIES, geometry

#: Numbers of voxels that are held at once.
_AT_ONCE = 20_000_000

NUMBER, VOXELS = "event", "Voxel"
_OF_SHOWERS = ("e_inc", "e_rec")
_OF_LAYERS = ("energy", "share", "radius", "width", "sparsity")


class ShowerTable:
    """Showers as events: e_inc, e_rec, voxels, and layer by layer Layer_{energy, share, radius, width, sparsity}.

    `Voxel` has the energies of all voxels in GeV, nothing in those below the threshold. What else a file knows of every
    shower, such as `scalar_mass`, has its name there.

    e_inc is the incident energy and e_rec the sum of all voxels above the threshold, in GeV; `share` is the part of
    e_rec, `radius` and `width` are centre of energy and width in mm from the axis. `event` is the row plus 1. A search
    takes e_rec for its mass: the incident energy is not known in data.

    Parameters
    ----------
    name : of the geometry, as the table of a file is named.

    Raises
    ------
    TreeNotFoundError
        If no geometry was named, or there is none of that name.
    InputFileError, GeometryError, UnitsError, NtupleReadError
        If the file is not one of showers of that geometry.
    """

    uuid = ""
    # No layout of showers has checksums that are always there; that of the whole file can be listed.
    verified = False

    def __init__(self, path: str, name: str | None) -> None:
        if name is None or name not in GEOMETRIES:
            given = "" if name is None else f"No geometry '{name}'. "
            hint = nearest(name or "", GEOMETRIES)
            raise TreeNotFoundError(f"'{path}': {given}`tree` names the geometry of showers. {hint}")
        self.path, self.tree = path, name
        self._geometry = geometry(name)
        self._file = open_showers(path, self._geometry)
        self.entries = len(self._file)
        if not self.entries:
            self._file.close()
            raise InputFileError(f"'{path}' has no showers.")
        ours = (NUMBER, *_OF_SHOWERS, VOXELS, *(f"Layer_{each}" for each in _OF_LAYERS))
        self._beside = tuple(name for name in self._file.beside if name not in ours)
        self.names: Sequence[str] = (*ours, *self._beside)

    def boundaries(self, names: Collection[str]) -> NDArray[np.int64]:
        """As many showers as 20 million voxels hold."""
        step = max(1, _AT_ONCE // self._geometry.voxels)
        return np.append(np.arange(0, self.entries, step), self.entries).astype(np.int64)

    def bytes_per_entry(self, names: Collection[str]) -> float:
        """Of the voxels in double precision."""
        return 8.0 * self._geometry.voxels

    def read(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Column]:
        """The named columns for rows start to stop."""
        if stop <= start:
            return {name: self._nothing(name) for name in names}
        columns = {NUMBER: Column(np.arange(start + 1, stop + 1, dtype=np.uint64))}
        columns |= {name: Column(self._file.column(name, start, stop)) for name in names if name in self._beside}
        if set(names) - set(columns):
            columns |= self._computed(start, stop)
        return {name: columns[name] for name in names}

    def _computed(self, start: int, stop: int) -> dict[str, Column]:
        """Voxels above the threshold and what is computed of them."""
        parts = [cut(showers, self._geometry) for showers in self._file.dense_rows(start, stop)]
        found = observables(parts, self._geometry)
        lists = (found.layers, found.ratios, found.radius, found.radius_width, found.sparsity)
        named = {f"Layer_{name}": values for name, values in zip(_OF_LAYERS, lists, strict=True)}
        named[VOXELS] = np.concatenate([showers.energies for showers in parts])
        columns = {"e_inc": Column(found.incident), "e_rec": Column(found.total)}
        for name, values in named.items():
            width = values.shape[1]
            offsets = np.arange(0, width * len(found) + 1, width, dtype=np.int64)
            columns[name] = Column(np.ascontiguousarray(values).ravel(), offsets=offsets)
        return columns

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _nothing(self, name: str) -> Column:
        offsets = np.zeros(1, dtype=np.int64) if name == VOXELS or name.startswith("Layer_") else None
        return Column(np.zeros(0), offsets=offsets)
