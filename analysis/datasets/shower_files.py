"""Files of showers: one base class that checks them, a class for each layout. GeV comes out, whatever is inside.

with open_showers("dataset_2_1.hdf5", geometry("ds2")) as file:
for showers in file.chunks(1000):
...
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.errors import GeometryError, InputFileError, NonFiniteError, NtupleReadError, UnitsError, nearest
from analysis.io.decoding import decoding
from analysis.io.hdf5_links import open_node
from analysis.io.hdf5_storage import refuse_fill_values
from analysis.io.units import factor
from analysis.showers.layered import Geometry
from analysis.showers.layers import Float
from analysis.showers.points import PointShowers, voxelise
from analysis.showers.voxels import Showers, SparseShowers

AnyShowers = Showers | SparseShowers | PointShowers
S = TypeVar("S", Showers, SparseShowers, PointShowers)

#: Showers of which the response is looked at before the first is handed out.
_LOOKED_AT = 200

#: Medians of visible over incident energy that no calorimeter has: outside, energies are in another unit than the
#: layout says. Wide, because a factor of a thousand is what is looked for.
_RESPONSE = {False: (0.05, 20.0), True: (1e-3, 1.0)}

#: Energies that a file may have for every shower beside those of its layout, in the unit of the incident energy.
_ENERGIES = frozenset({"scalar_mass"})

#: Where the layouts are, by what is in their files.
_LAYOUTS = (
    ("calochallenge", "CaloChallengeFile"),
    ("sparse_showers", "SparseShowersFile"),
    ("calogan", "CaloGanFile"),
    ("shower_points", "PointsFile"),
    ("shower_points", "CaloCloudsFile"),
)


class ShowerFile(ABC, Generic[S]):
    """An open file of showers of a geometry; a context manager.

    A layout names the data sets that it `needs`, says in `units` what their energies are in, and fills in `_length`,
    `_check` and `_read`.

    Raises
    ------
    InputFileError
        If the file is missing, of another layout, or has values that are nowhere or no energies.
    GeometryError
        If the showers are of another geometry.
    UnitsError
        If visible and incident energy are a factor of a thousand apart, so that one is not in its unit.
    NtupleReadError
        If the file is damaged.
    """

    needs: ClassVar[tuple[str, ...]]
    #: Of incident energies and deposits.
    units: ClassVar[tuple[str, str]] = ("MeV", "MeV")

    def __init__(self, path: str | os.PathLike[str], geometry: Geometry) -> None:
        self.path, self.geometry = os.fspath(path), geometry
        self._file = _opened(self.path)
        try:
            missing = [name for name in self.needs if name not in set(self._file)]
            if missing:
                raise InputFileError(f"'{self.path}' has no {', '.join(missing)}: it has {sorted(self._file)}.")
            self._data = {name: self._array(name) for name in self.needs}
            with decoding(self.path):
                self._check()
            self._check_response()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __len__(self) -> int:
        return self._length()

    def read(self, start: int = 0, stop: int | None = None) -> S:
        """Showers `start` to `stop`, by default all; only these are read."""
        start, stop, _ = slice(start, stop).indices(len(self))
        with decoding(self.path, entries=(start, max(start, stop))):
            return self._read(start, max(start, stop))

    def chunks(self, size: int) -> Iterator[S]:
        """All showers, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.read(start, start + size)

    def dense(self, size: int) -> Iterator[Showers]:
        """All showers as voxels, `size` at a time; energy of points that hit none is left out."""
        for start in range(0, len(self), size):
            yield from self.dense_rows(start, start + size)

    def dense_rows(self, start: int, stop: int) -> Iterator[Showers]:
        """Showers `start` to `stop` as voxels, in one part."""
        part = self.read(start, stop)
        if isinstance(part, Showers):
            yield part
        else:
            yield (voxelise(part, self.geometry).showers if isinstance(part, PointShowers) else part).dense()

    @property
    def beside(self) -> tuple[str, ...]:
        """Names of what else the file has as one number for every shower."""
        return tuple(name for name in sorted(set(self._file) - set(self.needs)) if self._is_beside(name))

    def column(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """What stands beside showers `start` to `stop`, (N,); energies among them in GeV.

        Raises
        ------
        InputFileError
            If there is nothing of that name.
        """
        if name not in self.beside:
            raise InputFileError(f"'{self.path}' has no '{name}' for every shower. {nearest(name, self.beside)}")
        start, stop, _ = slice(start, stop).indices(len(self))
        with decoding(self.path, entries=(start, max(start, stop))):
            values: NDArray[Any] = self._array(name)[start : max(start, stop)].reshape(max(start, stop) - start)
        return self._energies(values, 0, np.float64) if name in _ENERGIES else values

    @abstractmethod
    def _length(self) -> int:
        """Number of showers."""

    @abstractmethod
    def _check(self) -> None:
        """Refuse shapes that the layout does not have."""

    @abstractmethod
    def _read(self, start: int, stop: int) -> S:
        """What `read` gives."""

    def _is_beside(self, name: str) -> bool:
        with decoding(self.path, name):
            node = open_node(self._file, name)
            shapes = {(len(self),), (len(self), 1)}
            return isinstance(node, h5py.Dataset) and node.shape in shapes and node.dtype.kind in "fiu"

    def _incident(self, start: int, stop: int) -> Float:
        """Incident energies in GeV, positive."""
        values = self._energies(self._data[self.needs[0]][start:stop].reshape(stop - start), 0, np.float64)
        if not (values > 0).all():
            raise InputFileError(f"'{self.path}': an incident energy of {values.min():g} GeV is none.")
        return values.astype(np.float64)

    def _deposits(self, values: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Energies of voxels or points in GeV, none negative."""
        return self._energies(values, 1, np.float32)

    def _energies(self, values: NDArray[Any], which: int, at_least: type) -> NDArray[np.floating[Any]]:
        """The one place where an energy of a file becomes GeV."""
        gev = values.astype(np.result_type(values.dtype, at_least)) * factor(self.units[which])
        if not np.isfinite(gev).all():
            raise NonFiniteError(f"'{self.path}': {int((~np.isfinite(gev)).sum())} energies are NaN or infinite.")
        if (gev < 0).any():
            raise InputFileError(f"'{self.path}': {int((gev < 0).sum())} energies are negative, down to {gev.min():g}.")
        return gev

    def _check_response(self) -> None:
        showers: AnyShowers = self.read(0, _LOOKED_AT)
        visible = _totals(showers)
        there = visible > 0
        if not there.any():
            return
        response = float(np.median(visible[there] / showers.incident[there]))
        low, high = _RESPONSE[self.geometry.sampling]
        if not low <= response <= high:
            raise UnitsError(
                f"'{self.path}': showers hold {response:.3g} of their incident energy, which {self.geometry.name} can "
                f"not: this layout has incident energies in {self.units[0]} and deposits in {self.units[1]}."
            )

    def _array(self, name: str) -> Any:
        with decoding(self.path, name):
            node = open_node(self._file, name)
            if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "fiu":
                raise InputFileError(f"'{self.path}': {name} is no array of numbers.")
            refuse_fill_values(node, self.path)
            return node

    def _refuse(self, wanted: str) -> None:
        shapes = ", ".join(f"{name} {node.shape}" for name, node in self._data.items())
        raise GeometryError(f"'{self.path}': {self.geometry.name} has {wanted}; the file has {shapes}.")


def open_showers(path: str | os.PathLike[str], geometry: Geometry) -> ShowerFile[Any]:
    """The file in the layout that its data sets show: CaloChallenge, sparse rows, CaloGAN, points, or CaloClouds.

    Raises
    ------
    InputFileError, GeometryError, UnitsError, NtupleReadError
        As `ShowerFile`; if it has none of the layouts.
    """
    with _opened(os.fspath(path)) as file:
        names = set(file)
    for module, name in _LAYOUTS:
        layout: type[ShowerFile[Any]] = getattr(import_module(f"analysis.datasets.{module}"), name)
        if names.issuperset(layout.needs):
            return layout(path, geometry)
    raise InputFileError(f"'{path}' has none of the known layouts of showers; it has {sorted(names)[:12]}.")


def _totals(showers: AnyShowers) -> Float:
    """Visible energy of every shower, (N,)."""
    if isinstance(showers, Showers):
        total: Float = showers.energies.sum(axis=1, dtype=np.float64)
        return total
    shower = np.repeat(np.arange(len(showers)), np.diff(showers.offsets))
    return np.bincount(shower, weights=showers.energies, minlength=len(showers)).astype(np.float64)


def _opened(path: str) -> h5py.File:
    if not Path(path).is_file():
        raise InputFileError(f"There is no file '{path}'.")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise NtupleReadError(f"'{path}' is not an HDF5 file, or truncated: {error}", file=path) from error
