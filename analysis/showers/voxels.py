"""Showers as energies of voxels, dense or without the empty ones. GeV throughout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import GeometryError
from analysis.showers.layers import Float, Index


@dataclass(frozen=True, eq=False)
class Showers:
    """Incident energies (N,) and energies of voxels (N, V), in GeV.

    Raises
    ------
    GeometryError
        If the shapes do not belong together.
    """

    incident: Float
    energies: NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        if self.incident.ndim != 1 or self.energies.ndim != 2 or len(self.incident) != len(self.energies):
            raise GeometryError(
                f"incident energies {self.incident.shape} and voxels {self.energies.shape} are no (N,) and (N, V)."
            )

    def __len__(self) -> int:
        return len(self.incident)

    @property
    def voxels(self) -> int:
        """Number of voxels V."""
        return int(self.energies.shape[1])

    def rows(self, start: int, stop: int) -> Showers:
        """Showers `start` to `stop`, without a copy."""
        return Showers(self.incident[start:stop], self.energies[start:stop])

    def sparse(self) -> SparseShowers:
        """The same without voxels that hold exactly zero."""
        shower, index = np.nonzero(self.energies)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(shower, minlength=len(self)))]).astype(np.int64)
        return SparseShowers(self.incident, offsets, index.astype(np.int64), self.energies[shower, index], self.voxels)


@dataclass(frozen=True, eq=False)
class SparseShowers:
    """Showers in compressed rows: shower i has the voxels `index` and `energies` from offsets[i] to offsets[i + 1].

    A generator takes them for events (N, V) as they are, and never holds more than a part of them with all voxels.

    Attributes
    ----------
    incident : (N,) GeV.
    offsets : (N + 1,).
    index : (P,), rising inside of a shower is not required; a voxel that is there twice counts twice.
    energies : (P,) GeV.
    voxels : number V.

    Raises
    ------
    GeometryError
        If the offsets do not fit, or a voxel is not one of 0 … V − 1.
    """

    incident: Float
    offsets: Index
    index: Index
    energies: NDArray[np.floating[Any]]
    voxels: int

    def __post_init__(self) -> None:
        ends = check_offsets(self.offsets, len(self.incident), len(self.index))
        if len(self.energies) != ends:
            raise GeometryError(f"{len(self.energies)} energies for {ends} voxels.")
        if len(self.index) and not (int(self.index.min()) >= 0 and int(self.index.max()) < self.voxels):
            raise GeometryError(f"voxels {self.index.min()} to {self.index.max()} are not in 0 to {self.voxels - 1}.")

    def __len__(self) -> int:
        return len(self.incident)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, V), as of an array."""
        return len(self), self.voxels

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """Of the energies."""
        return self.energies.dtype

    def __getitem__(self, rows: slice) -> NDArray[np.floating[Any]]:
        """Energies (B, V) of the showers of a slice, as of an array."""
        start, stop, _ = rows.indices(len(self))
        return self.rows(start, stop).dense().energies

    def rows(self, start: int, stop: int) -> SparseShowers:
        """Showers `start` to `stop`."""
        start, stop, _ = slice(start, stop).indices(len(self))
        low, high = self.offsets[start], self.offsets[max(start, stop)]
        return SparseShowers(
            self.incident[start:stop],
            self.offsets[start : max(start, stop) + 1] - low,
            self.index[low:high],
            self.energies[low:high],
            self.voxels,
        )

    def dense(self) -> Showers:
        """The same with all voxels; N × V numbers, so take `rows` or `chunks` of large samples."""
        out = np.zeros(len(self) * self.voxels, dtype=self.energies.dtype)
        # Offsets of showers pass what the narrow integers of files can hold.
        place = np.repeat(np.arange(len(self), dtype=np.int64) * self.voxels, np.diff(self.offsets)) + self.index
        np.add.at(out, place, self.energies)
        return Showers(self.incident, out.reshape(len(self), self.voxels))

    def chunks(self, size: int) -> Iterator[Showers]:
        """Dense showers, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.rows(start, start + size).dense()


def check_offsets(offsets: Index, showers: int, entries: int) -> int:
    """The number of entries, if offsets (N + 1,) rise from 0 to it.

    Raises
    ------
    GeometryError
        If they do not.
    """
    fits = offsets.shape == (showers + 1,) and int(offsets[0]) == 0 and int(offsets[-1]) == entries
    if not fits or bool((offsets[1:] < offsets[:-1]).any()):
        raise GeometryError(
            f"offsets of {showers} showers have to rise from 0 to {entries} in {showers + 1} numbers; these are "
            f"{len(offsets)} from {offsets[:1].tolist()} to {offsets[-1:].tolist()}."
        )
    return entries
