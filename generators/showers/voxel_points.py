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
    """Numbers of a point across the axis, in units of cells; `angles` and `rings` are those of its layer, (M,).

    The last angle is next to the first one if they are `closed`.
    """

    features: int
    closed: bool = True

    @abstractmethod
    def numbers(self, angle: Floats, ring: Floats, angles: Whole) -> Floats:
        """Of the place (angle, ring), both counted in cells from the edge of the first one, (M, features)."""

    @abstractmethod
    def cells(self, numbers: Floats, angles: Whole, rings: Whole, rng: np.random.Generator) -> tuple[Whole, Whole]:
        """Angle and ring of the cells in which the numbers (M, features) lie, or which are nearest to them."""

    @abstractmethod
    def radius(self, numbers: Floats, angles: Whole, rings: Whole) -> Floats:
        """Distance of the numbers (M, features) from the axis, (M,)."""

    @abstractmethod
    def bounds(self, angles: Whole, rings: Whole) -> Floats:
        """Least and greatest numbers that lie in a layer, (2, M, features)."""

    @abstractmethod
    def farthest(self, angles: Whole, rings: Whole) -> Floats:
        """Greatest distance from the axis in a layer, (M,)."""


class Plane(Across):
    """x and y, in widths of a ring: what is near 2π is near 0."""

    features = 2

    @override
    def numbers(self, angle: Floats, ring: Floats, angles: Whole) -> Floats:
        turn = 2 * np.pi * angle / angles
        return np.stack([ring * np.cos(turn), ring * np.sin(turn)], axis=1)

    @override
    def cells(self, numbers: Floats, angles: Whole, rings: Whole, rng: np.random.Generator) -> tuple[Whole, Whole]:
        turn = np.mod(np.arctan2(numbers[:, 1], numbers[:, 0]) / (2 * np.pi), 1.0)
        return _bins(turn * angles, angles), _bins(np.hypot(numbers[:, 0], numbers[:, 1]), rings)

    @override
    def radius(self, numbers: Floats, angles: Whole, rings: Whole) -> Floats:
        out: Floats = np.hypot(numbers[:, 0], numbers[:, 1])
        return out

    @override
    def bounds(self, angles: Whole, rings: Whole) -> Floats:
        both = np.stack([rings, rings], axis=1).astype(np.float64)
        return np.stack([-both, both])

    @override
    def farthest(self, angles: Whole, rings: Whole) -> Floats:
        return rings.astype(np.float64)


class Ring(Across):
    """The radius alone, as CaloPointFlow II has it: all angles are as likely."""

    features = 1

    @override
    def numbers(self, angle: Floats, ring: Floats, angles: Whole) -> Floats:
        return ring[:, None]

    @override
    def cells(self, numbers: Floats, angles: Whole, rings: Whole, rng: np.random.Generator) -> tuple[Whole, Whole]:
        return _bins(rng.random(len(numbers)) * angles, angles), _bins(numbers[:, 0], rings)

    @override
    def radius(self, numbers: Floats, angles: Whole, rings: Whole) -> Floats:
        return numbers[:, 0]

    @override
    def bounds(self, angles: Whole, rings: Whole) -> Floats:
        return np.stack([np.zeros_like(rings), rings])[..., None].astype(np.float64)

    @override
    def farthest(self, angles: Whole, rings: Whole) -> Floats:
        return rings.astype(np.float64)


class Grid(Across):
    """Row and column of a rectangular layer."""

    features = 2
    closed = False

    @override
    def numbers(self, angle: Floats, ring: Floats, angles: Whole) -> Floats:
        return np.stack([angle, ring], axis=1)

    @override
    def cells(self, numbers: Floats, angles: Whole, rings: Whole, rng: np.random.Generator) -> tuple[Whole, Whole]:
        return _bins(numbers[:, 0], angles), _bins(numbers[:, 1], rings)

    @override
    def radius(self, numbers: Floats, angles: Whole, rings: Whole) -> Floats:
        out: Floats = np.hypot(numbers[:, 0] - angles / 2, numbers[:, 1] - rings / 2)
        return out

    @override
    def bounds(self, angles: Whole, rings: Whole) -> Floats:
        most = np.stack([angles, rings], axis=1).astype(np.float64)
        return np.stack([np.zeros_like(most), most])

    @override
    def farthest(self, angles: Whole, rings: Whole) -> Floats:
        out: Floats = np.hypot(angles / 2, rings / 2)
        return out


ACROSS: dict[str, Across] = {"plane": Plane(), "ring": Ring(), "grid": Grid()}


@dataclass(frozen=True, eq=False)
class VoxelPoints:
    """Voxels above a threshold in GeV of layers [angles, rings] as points, one each, and back.

    The numbers of a point are those across, the energy above the threshold over the mean of that in its layer, and the
    depth in layers.
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
        inside = rng.random(len(angle)), rng.random(len(angle))
        numbers = self.across.numbers(angle + inside[0], ring + inside[1], self.angles[layer])
        excess = np.maximum(x[shower, voxel] / self.threshold - 1, 1e-6)
        # A layer gets its energy anyway, and shares of it are much the same at all energies.
        group, many = shower * len(self.sizes) + layer, len(x) * len(self.sizes)
        mean = np.bincount(group, weights=excess, minlength=many) / np.bincount(group, minlength=many).clip(1)
        excess = excess / mean[group]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(shower, minlength=len(x)))]).astype(np.int64)
        return np.column_stack([numbers, excess, layer + rng.random(len(layer))]), offsets

    def centres(self, points: Floats, offsets: Whole) -> Floats:
        """Mean of the numbers across in every layer, weighted with energy above the threshold, (N, L, features)."""
        return self._means(points, offsets, points[:, : self.size_column])

    def radii(self, points: Floats, offsets: Whole) -> Floats:
        """Mean distance from the axis in every layer, weighted with energy above the threshold, (N, L, 1)."""
        layer = self._layers(points)
        radius = self.across.radius(points[:, : self.size_column], self.angles[layer], self.rings[layer])
        return self._means(points, offsets, radius[:, None])

    @property
    def centre_bounds(self) -> Floats:
        """Least and greatest that `centres` can be, (2, L, features)."""
        return self.across.bounds(self.angles, self.rings)

    @property
    def radius_bounds(self) -> Floats:
        """Least and greatest that `radii` can be, (2, L, 1)."""
        most = self.across.farthest(self.angles, self.rings)
        return np.stack([np.zeros_like(most), most])[..., None]

    def _means(self, points: Floats, offsets: Whole, values: Floats) -> Floats:
        """Of values (M, K) of points in every layer, weighted with energy; 0 in an empty one, (N, L, K)."""
        showers, layers = len(offsets) - 1, len(self.sizes)
        group = np.repeat(np.arange(showers), np.diff(offsets)) * layers + self._layers(points)
        energy, many = points[:, self.size_column], showers * layers
        total = np.bincount(group, weights=energy, minlength=many)
        sums = [np.bincount(group, weights=energy * value, minlength=many) for value in values.T]
        return np.stack([part / np.where(total > 0, total, 1) for part in sums], axis=1).reshape(showers, layers, -1)

    def _layers(self, points: Floats) -> Whole:
        found: Whole = np.clip(np.floor(np.nan_to_num(points[:, -1])), 0, len(self.sizes) - 1).astype(np.int64)
        return found

    def possible(self, counts: Floats, energies: Floats) -> Whole:
        """Whole numbers of points (N, L) that layers of these energies (N, L) can have, nearest to `counts`."""
        most = np.minimum(self.sizes, np.floor(energies / self.threshold * (1 + 1e-9)))
        return np.clip(np.round(np.nan_to_num(counts)), np.minimum(most, 1), most).astype(np.int64)

    def calibrated(
        self, points: Floats, shower: Whole, counts: Whole, energies: Floats, rng: np.random.Generator
    ) -> Floats:
        """Showers (N, V) of points (M, F) of the showers (M,), as many as `counts` (N, L) says, each layer its energy.

        The first points that lie in different voxels of a layer are kept, up to its number, with the voxel and the
        energy that they have. Where they are too few, other points of the shower fill its layers in the order of their
        depth, as all do in CaloClouds (2305.04847), and one whose voxel is taken moves on to the next free angle of its
        ring, or to another ring if there is none. There must be at least as many points as the numbers of a shower say.
        """
        layer = self._layers(points)
        angle, ring = self.across.cells(points[:, : self.size_column], self.angles[layer], self.rings[layer], rng)
        kept = self._kept(shower, layer, self.offsets[layer] + angle * self.rings[layer] + ring, counts)
        filled, into = self._filling(points[:, -1], shower, layer, kept, counts)
        angle[filled], ring[filled] = self.across.cells(
            points[filled, : self.size_column], self.angles[into], self.rings[into], rng
        )
        layer[filled] = into
        used = np.concatenate([kept, filled])
        used = used[np.lexsort((layer[used], shower[used]))]
        excess = points[used, self.size_column]
        return self._placed(shower[used], layer[used], angle[used], ring[used], excess, counts, energies)

    def _kept(self, shower: Whole, layer: Whole, voxel: Whole, counts: Whole) -> Whole:
        """Places of the first points in different voxels, not more in any layer than its number."""
        _, first = np.unique(shower * int(self.offsets[-1]) + voxel, return_index=True)
        group = shower[first] * counts.shape[1] + layer[first]
        order = np.lexsort((first, group))
        first, group = first[order], group[order]
        begins = np.searchsorted(group, group)
        kept: Whole = first[np.arange(len(group)) - begins < counts.ravel()[group]]
        return kept

    def _filling(self, depth: Floats, shower: Whole, layer: Whole, kept: Whole, counts: Whole) -> tuple[Whole, Whole]:
        """Places of the points that fill what is missing, and the layers that they fill, in order of their depth."""
        there = np.bincount(shower[kept] * counts.shape[1] + layer[kept], minlength=counts.size).reshape(counts.shape)
        missing = counts - there
        left = np.ones(len(shower), dtype=bool)
        left[kept] = False
        rest = np.flatnonzero(left)
        rest = rest[np.argsort(shower[rest], kind="stable")]
        number = np.arange(len(rest)) - np.searchsorted(shower[rest], shower[rest])
        rest = rest[number < missing.sum(axis=1)[shower[rest]]]
        rest = rest[np.lexsort((np.nan_to_num(depth[rest]), shower[rest]))]
        layers = np.broadcast_to(np.arange(counts.shape[1]), counts.shape)
        return rest, np.repeat(layers.ravel(), missing.ravel())

    def _placed(
        self,
        shower: Whole,
        layer: Whole,
        angle: Whole,
        ring: Whole,
        excess: Floats,
        counts: Whole,
        energies: Floats,
    ) -> Floats:
        """Showers (N, V) of the points of their layers, which come one layer after another, in different voxels."""
        group = shower * counts.shape[1] + layer
        # Bounded above as well: the sum over a layer of what overflowed would be infinite, and its shares nothing.
        excess = np.clip(np.nan_to_num(excess), 1e-6, _LARGEST)
        free = np.maximum(energies - counts * self.threshold, 0).ravel()
        share = excess / np.bincount(group, weights=excess, minlength=counts.size)[group]
        angles, rings = self.angles[layer], self.rings[layer]
        angle, ring = distinct(angle, ring, group, angles, rings, counts.ravel(), closed=self.across.closed)
        out = np.zeros((len(counts), int(self.offsets[-1])))
        out[shower, self.offsets[layer] + angle * rings + ring] = self.threshold + share * free[group]
        return out


def distinct(
    angle: Whole, ring: Whole, group: Whole, angles: Whole, rings: Whole, counts: Whole, *, closed: bool = True
) -> tuple[Whole, Whole]:
    """Angle and ring of points (M,) of which no two are the same within a group.

    `group` (M,), of layers [angles, rings] (M,), has `counts` (G,) points and not more than cells; groups come one
    after another. The first point of a cell keeps it. Others get the next free angle of their ring, and those beyond
    the last are at the first angles again, if they are `closed`. Only what a ring has no room for goes to another one,
    the next with room outwards or else inwards, at its own angle.
    """
    ring = _with_room(angle, ring, group, angles, rings, counts)
    return _turned(angle, group * int(rings.max(initial=1)) + ring, angles, closed), ring


def _with_room(angle: Whole, ring: Whole, group: Whole, angles: Whole, rings: Whole, counts: Whole) -> Whole:
    """Rings of points (M,) of which none has more of them than angles; see `distinct`."""
    most = int(rings.max(initial=1))
    at = group * most + ring
    there = np.bincount(at, minlength=len(counts) * most)
    if (there[at] <= angles).all():
        return ring
    # Those that share a cell leave first, and never those at certain angles.
    order = np.lexsort((_before(at * int(angles.max()) + angle), at))
    number = np.arange(len(at)) - (np.cumsum(counts) - counts)[group]
    apart = group * (2 * int((angles * rings).max()) + 2)
    place = np.maximum.accumulate((ring * angles)[order] - number + apart) - apart + number
    place = np.minimum(place, angles * rings - counts[group] + number)
    room = np.bincount(group * most + place // angles, minlength=len(there))
    staying = np.minimum(there, room)
    leaving = order[_before(at[order]) >= staying[at[order]]]
    found = ring.copy()
    found[leaving] = np.repeat(np.arange(len(there)), room - staying) % most
    return found


def _turned(angle: Whole, at: Whole, angles: Whole, closed: bool) -> Whole:
    """Angles of points (M,) that are all different in every ring `at` (M,), which has room; see `distinct`."""
    order = np.lexsort((angle, at))
    angle, at, angles = angle[order], at[order], angles[order]
    begin, end = np.searchsorted(at, at), np.searchsorted(at, at, side="right")
    number, free = np.arange(len(at)) - begin, angles - (end - begin)
    # Points without a gap stay together; the offset keeps rings apart.
    apart = at * (2 * int(angles.max(initial=0)) + 2)
    moved = np.maximum.accumulate(angle - number + apart) - apart
    # Those that come over the seam push the first ones, as in a second turn.
    moved = np.maximum(moved, moved[end - 1] - free) if closed else np.minimum(moved, free)
    found = np.empty_like(angle)
    found[order] = _shared_out(angle, at, angles, moved + number)
    return found


def _shared_out(angle: Whole, at: Whole, angles: Whole, cell: Whole) -> Whole:
    """Who of points (M,) in order of ring and angle gets which of the cells, which are counted on over the seam.

    The first of those that share a cell keeps it; of the others, that which waits the longest gets the next free one.
    """
    first = np.ones(len(at), dtype=bool)
    first[1:] = (angle[1:] != angle[:-1]) | (at[1:] != at[:-1])
    most, other = int(angles.max(initial=1)), at[~first]
    left = np.setdiff1d(at * most + cell % angles, (at * most + angle)[first])
    begin, over = np.searchsorted(other, other), at[cell >= angles]
    many = np.searchsorted(other, other, side="right") - begin
    waiting = np.searchsorted(over, other, side="right") - np.searchsorted(over, other)
    found = angle.copy()
    found[~first] = left[begin + (np.arange(len(other)) - begin + waiting) % many] % most
    return found


def _before(labels: Whole) -> Whole:
    """How many points before each one (M,) have the same label."""
    order = np.argsort(labels, kind="stable")
    sorted_labels = labels[order]
    found = np.empty_like(labels)
    found[order] = np.arange(len(labels)) - np.searchsorted(sorted_labels, sorted_labels)
    return found


def _bins(values: Floats, bins: Whole) -> Whole:
    found: Whole = np.clip(np.floor(np.nan_to_num(values)), 0, bins - 1).astype(np.int64)
    return found
