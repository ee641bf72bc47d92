"""Voxels as points across and along the axis of a shower, and points as voxels of which none is taken twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Energies of points over the threshold beyond this are all the same.
_LARGEST = 1e12


class Across(ABC):
    """Numbers of a point across the axis, in units of cells; `angles` and `rings` are those of its layer, (M,)."""

    features: int

    @abstractmethod
    def numbers(self, angle: Whole, ring: Whole, angles: Whole, rng: np.random.Generator) -> Floats:
        """Anywhere in cells (angle, ring), (M, features)."""

    @abstractmethod
    def cells(self, numbers: Floats, angles: Whole, rings: Whole, rng: np.random.Generator) -> tuple[Whole, Whole]:
        """Angle and ring of the cells in which the numbers (M, features) lie, or which are nearest to them."""


class Plane(Across):
    """x and y, in widths of a ring: what is near 2π is near 0."""

    features = 2

    @override
    def numbers(self, angle: Whole, ring: Whole, angles: Whole, rng: np.random.Generator) -> Floats:
        turn = 2 * np.pi * (angle + rng.random(len(angle))) / angles
        radius = ring + rng.random(len(ring))
        return np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)

    @override
    def cells(self, numbers: Floats, angles: Whole, rings: Whole, rng: np.random.Generator) -> tuple[Whole, Whole]:
        turn = np.mod(np.arctan2(numbers[:, 1], numbers[:, 0]) / (2 * np.pi), 1.0)
        return _bins(turn * angles, angles), _bins(np.hypot(numbers[:, 0], numbers[:, 1]), rings)


class Ring(Across):
    """The radius alone, as CaloPointFlow II has it: all angles are as likely."""

    features = 1

    @override
    def numbers(self, angle: Whole, ring: Whole, angles: Whole, rng: np.random.Generator) -> Floats:
        return (ring + rng.random(len(ring)))[:, None]

    @override
    def cells(self, numbers: Floats, angles: Whole, rings: Whole, rng: np.random.Generator) -> tuple[Whole, Whole]:
        return _bins(rng.random(len(numbers)) * angles, angles), _bins(numbers[:, 0], rings)


class Grid(Across):
    """Row and column of a rectangular layer."""

    features = 2

    @override
    def numbers(self, angle: Whole, ring: Whole, angles: Whole, rng: np.random.Generator) -> Floats:
        return np.stack([angle + rng.random(len(angle)), ring + rng.random(len(ring))], axis=1)

    @override
    def cells(self, numbers: Floats, angles: Whole, rings: Whole, rng: np.random.Generator) -> tuple[Whole, Whole]:
        return _bins(numbers[:, 0], angles), _bins(numbers[:, 1], rings)


ACROSS: dict[str, Across] = {"plane": Plane(), "ring": Ring(), "grid": Grid()}


@dataclass(frozen=True, eq=False)
class VoxelPoints:
    """Voxels above a threshold in GeV of layers [angles, rings] as points, one each, and back.

    The numbers of a point are those across, the energy above the threshold in its units, and the depth in layers.
    """

    layers: Sequence[Sequence[int]]
    across: Across
    threshold: float
    sizes: Whole = field(init=False)
    angles: Whole = field(init=False)
    rings: Whole = field(init=False)
    offsets: Whole = field(init=False)

    def __post_init__(self) -> None:
        angles, rings = (np.asarray(part, np.int64) for part in zip(*self.layers, strict=True))
        sizes = angles * rings
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        for name, value in (("angles", angles), ("rings", rings), ("sizes", sizes), ("offsets", offsets)):
            object.__setattr__(self, name, value)

    @property
    def size_column(self) -> int:
        """Place of the energy among the numbers of a point."""
        return self.across.features

    def energies(self, x: Floats) -> Floats:
        """Energies of layers (N, L) of showers (N, V)."""
        out: Floats = np.add.reduceat(np.where(x >= self.threshold, x, 0.0), self.offsets[:-1], axis=1)
        return out

    def counts(self, x: Floats) -> Whole:
        """Voxels above the threshold by layer, (N, L)."""
        out: Whole = np.add.reduceat((x >= self.threshold).astype(np.int64), self.offsets[:-1], axis=1)
        return out

    def points(self, x: Floats, rng: np.random.Generator) -> tuple[Floats, Whole]:
        """Points (M, F) of showers (N, V), one after another, and where each shower begins, (N + 1,)."""
        shower, voxel = np.nonzero(x >= self.threshold)
        layer = np.searchsorted(self.offsets, voxel, side="right") - 1
        angle, ring = np.divmod(voxel - self.offsets[layer], self.rings[layer])
        numbers = self.across.numbers(angle, ring, self.angles[layer], rng)
        excess = np.maximum(x[shower, voxel] / self.threshold - 1, 1e-6)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(shower, minlength=len(x)))]).astype(np.int64)
        return np.column_stack([numbers, excess, layer + rng.random(len(layer))]), offsets

    def possible(self, counts: Floats, energies: Floats) -> Whole:
        """Whole numbers of points (N, L) that layers of these energies (N, L) can have, nearest to `counts`."""
        most = np.minimum(self.sizes, np.floor(energies / self.threshold * (1 + 1e-9)))
        return np.clip(np.round(np.nan_to_num(counts)), np.minimum(most, 1), most).astype(np.int64)

    def calibrated(self, points: Floats, counts: Whole, energies: Floats, rng: np.random.Generator) -> Floats:
        """Showers (N, V) of points (M, F), as many of every shower as `counts` (N, L) says.

        Along the axis the points fill the layers as they come, as in CaloClouds (2305.04847), but here each layer has
        its energy exactly, and no voxel is taken twice: a point whose voxel is taken moves on to the next free angle.
        """
        showers, layers = counts.shape
        shower = np.repeat(np.arange(showers), counts.sum(axis=1))
        rows = points[np.lexsort((points[:, -1], shower))]
        layer = np.repeat(np.tile(np.arange(layers), showers), counts.ravel())
        group = shower * layers + layer
        # Bounded above as well: the sum over a layer of what overflowed would be infinite, and its shares nothing.
        excess = np.clip(np.nan_to_num(rows[:, self.size_column]), 1e-6, _LARGEST)
        free = np.maximum(energies - counts * self.threshold, 0).ravel()
        share = excess / np.bincount(group, weights=excess, minlength=counts.size)[group]
        angles, rings = self.angles[layer], self.rings[layer]
        angle, ring = self.across.cells(rows[:, : self.size_column], angles, rings, rng)
        order, place = distinct(ring * angles + angle, group, self.sizes[layer], counts.ravel())
        ring, angle = np.divmod(place, angles[order])
        out = np.zeros((showers, int(self.offsets[-1])))
        voxel = self.offsets[layer[order]] + angle * rings[order] + ring
        out[shower[order], voxel] = self.threshold + (share * free[group])[order]
        return out


def distinct(place: Whole, group: Whole, size: Whole, counts: Whole) -> tuple[Whole, Whole]:
    """An order of the points, and places in it that are all different within a group.

    `place` (M,) is from 0 to `size` (M,), that of its group, which has `counts` (G,) points and not more than places;
    groups come one after another. A point whose place is taken gets the next free one, or one before at the end.
    """
    order = np.lexsort((place, group))
    place, group, size = place[order], group[order], size[order]
    number = np.arange(len(place)) - (np.cumsum(counts) - counts)[group]
    # Points without a gap stay together; the offset keeps groups apart.
    apart = group * (2 * int(size.max(initial=0)) + 2)
    moved = np.maximum.accumulate(place - number + apart) - apart + number
    return order, np.minimum(moved, size - counts[group] + number)


def _bins(values: Floats, bins: Whole) -> Whole:
    found: Whole = np.clip(np.floor(np.nan_to_num(values)), 0, bins - 1).astype(np.int64)
    return found
