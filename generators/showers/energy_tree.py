"""A shower as a tree of energies: the shower is broken into layers, a layer into rings, a ring into angles.

The pieces of one energy are taken one after another, and each of them is one of three: nothing, all that is left, or a
part of it. So energies, threshold and empty cells are exact, and there is one number for each voxel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.errors import HyperparameterError

#: What a piece can be: nothing, a part of what is left, all that is left.
MISS, PART, REST = 0, 1, 2

#: Energies beside which a piece is decided, at most.
_NEIGHBOURS = 12

Key = tuple[str | int, ...]
_TOTAL: Key = ("shower",)


@dataclass(frozen=True, eq=False)
class Pieces:
    """Energies of showers by slot (N, S), and of every node what was left before it and what it is, both (N, nodes)."""

    energies: Tensor
    before: Tensor
    choice: Tensor


class EnergyTree:
    """The tree of layers of (angles, rings), voxels with the ring fastest.

    A *slot* is an energy: those of the nodes come first, then the roots, which are given, then one that is always
    empty. With an `order` of layers the only root is the energy of the shower, whose pieces the layers are; without one
    the energies of the layers are the roots.

    Attributes
    ----------
    nodes, roots, voxels : their numbers.
    parent : slot of the energy that a node is a piece of, (nodes,).
    first, last : whether a node is the first or last piece, (nodes,); what is left for the last one is its energy.
    neighbours : slots of energies that are known before a node, and near it, (nodes, at most 12).
    voxel_nodes : node of every voxel, (voxels,).
    regions : 0 for nodes that divide the shower into layers, 1 + l for those inside of layer l, (nodes,).
    """

    def __init__(self, layers: Sequence[Sequence[int]], order: Sequence[int] | None) -> None:
        self.layers = checked_layers(layers)
        if order is not None and sorted(order) != list(range(len(self.layers))):
            raise HyperparameterError(f"order = {list(order)} must name each of {len(self.layers)} layers once.")
        self.order = order
        groups = list(self._groups())
        names = [name for _, pieces in groups for name in pieces]
        roots = [_TOTAL] if order is not None else [("layer", number) for number in range(len(self.layers))]
        self.nodes, self.roots = len(names), len(roots)
        self._slots = {name: slot for slot, name in enumerate([*names, *roots])}
        self.voxels = sum(angles * rings for angles, rings in self.layers)
        self.parent = torch.tensor([self._slots[parent] for parent, pieces in groups for _ in pieces])
        self.first = torch.tensor([place == 0 for _, pieces in groups for place in range(len(pieces))])
        self.last = torch.tensor([place == len(pieces) - 1 for _, pieces in groups for place in range(len(pieces))])
        self.neighbours = self._padded([self._near(name) for name in names], _NEIGHBOURS)
        self.voxel_nodes = torch.tensor([self._of_voxel(*place) for place in self._places()])
        # Of the division into layers 0, of what is inside of layer l 1 + l.
        self.regions = torch.tensor([0 if kind == "layer" else 1 + int(place[0]) for kind, *place in names])
        self._levels = [
            (
                torch.tensor([self._slots[parent] for parent, _ in level]),
                self._padded([pieces for _, pieces in level], max(len(pieces) for _, pieces in level)),
            )
            for level in _by_level(groups)
        ]

    @property
    def slots(self) -> int:
        """Number of slots, with the one that is always empty."""
        return self.nodes + self.roots + 1

    def split(self, x: Tensor) -> Pieces:
        """What showers x (N, V), zero in cells below the threshold, are in this tree."""
        energies = x.new_zeros(len(x), self.slots)
        energies[:, self.voxel_nodes.to(x.device)] = x
        before = x.new_zeros(len(x), self.slots)
        choice = torch.zeros(len(x), self.slots, dtype=torch.long, device=x.device)
        for parents, pieces in reversed(self._levels):
            of_level, backwards = energies[:, pieces], list(reversed(range(pieces.shape[1])))
            left = of_level[..., backwards].cumsum(dim=-1)[..., backwards]
            hit = of_level > 0
            later = hit[..., backwards].long().cumsum(dim=-1)[..., backwards] > hit
            energies[:, parents] = left[..., 0]
            before[:, pieces] = left
            choice[:, pieces] = torch.where(hit, torch.where(later, PART, REST), MISS)
        return Pieces(energies, before[:, : self.nodes], choice[:, : self.nodes])

    def root_energies(self, x: Tensor) -> Tensor:
        """Energies of the roots (N, roots) of showers x (N, V)."""
        sums = torch.stack([part.sum(dim=1) for part in torch.split(x, self.layer_sizes, dim=1)], dim=1)
        return sums if self.order is None else sums.sum(dim=1, keepdim=True)

    @property
    def layer_sizes(self) -> list[int]:
        """Voxels of every layer."""
        return [angles * rings for angles, rings in self.layers]

    def symmetries(self) -> Tensor:
        """Every rotation by whole voxels of all layers together, and its mirror image, as orders of voxels (M, V)."""
        turns = math.gcd(*(angles for angles, _ in self.layers if angles > 1))
        if turns == 0:
            return torch.arange(self.voxels)[None]
        out = []
        for mirrored in (False, True):
            for turn in range(turns):
                parts, offset = [], 0
                for angles, rings in self.layers:
                    places = torch.arange(angles * rings).reshape(angles, rings)
                    places = places.flip(0) if mirrored else places
                    parts.append(offset + places.roll(turn * angles // turns if angles > 1 else 0, dims=0).flatten())
                    offset += angles * rings
                out.append(torch.cat(parts))
        return torch.stack(out)

    def _groups(self) -> Iterator[tuple[Key, list[Key]]]:
        """Energies and their pieces: coarse ones first, so that what is fine is decided beside all that is coarse."""
        if self.order is not None:
            yield _TOTAL, [("layer", number) for number in self.order]
        for number, (_, rings) in enumerate(self.layers):
            yield ("layer", number), [("ring", number, ring) for ring in range(rings)]
        for number, (angles, rings) in enumerate(self.layers):
            for ring in range(rings if angles > 1 else 0):
                yield ("ring", number, ring), [("voxel", number, ring, angle) for angle in range(angles)]

    def _places(self) -> Iterator[tuple[int, int, int]]:
        """Layer, ring and angle of every voxel."""
        for number, (angles, rings) in enumerate(self.layers):
            for angle in range(angles):
                for ring in range(rings):
                    yield number, ring, angle

    def _of_voxel(self, layer: int, ring: int, angle: int) -> int:
        angles, _ = self.layers[layer]
        return self._slots[("voxel", layer, ring, angle) if angles > 1 else ("ring", layer, ring)]

    def _near(self, name: Key) -> list[Key]:
        """Energies near one, nearest first; those that come later in the tree are left out."""
        what, *place = name
        if what == "layer":
            assert self.order is not None
            taken = list(self.order)[: list(self.order).index(int(place[0]))]
            near: list[Key] = [_TOTAL, *(("layer", layer) for layer in reversed(taken))]
        elif what == "ring":
            near = self._near_ring(*map(int, place))
        else:
            near = self._near_voxel(*map(int, place))
        own = self._slots[name]
        return [
            one for one in near if one in self._slots and (self._slots[one] < own or self._slots[one] >= self.nodes)
        ]

    def _near_ring(self, layer: int, ring: int) -> list[Key]:
        inside: list[Key] = [("ring", layer, ring - step) for step in (1, 2, 3, 4)]
        inner = self.layers[layer - 1][1] if layer else 0
        across: list[Key] = [
            ("ring", layer - 1, min(place, inner - 1)) for place in (ring, 0, inner // 4, inner // 2, 3 * inner // 4)
        ]
        around: list[Key] = [("layer", layer + step) for step in (-1, 1, 2)]
        return [("layer", layer), *inside, *(across if layer else []), *around]

    def _near_voxel(self, layer: int, ring: int, angle: int) -> list[Key]:
        angles, _ = self.layers[layer]
        beside: list[Key] = [("voxel", layer, ring, angle - step) for step in (1, 2)]
        inside: list[Key] = [("voxel", layer, ring - 1, (angle + step) % angles) for step in (0, 1, -1)]
        before = next((other for other in reversed(range(layer)) if self.layers[other][0] == angles), None)
        across: list[Key] = []
        if before is not None:
            across = [("voxel", before, min(ring, self.layers[before][1] - 1), angle)]
        around: list[Key] = [("voxel", layer, ring, 0)] if angle >= max(3, angles // 2) else []
        rings: list[Key] = [("ring", layer, ring), ("ring", layer, ring + 1)]
        return [*rings, *beside, *inside, ("voxel", layer, ring - 2, angle), *across, *around]

    def _padded(self, names: Sequence[Sequence[Key]], most: int) -> Tensor:
        rows = [[self._slots[name] for name in some[:most]] for some in names]
        width = max(len(row) for row in rows)
        return torch.tensor([row + [self.slots - 1] * (width - len(row)) for row in rows])


def _by_level(groups: Sequence[tuple[Key, list[Key]]]) -> list[list[tuple[Key, list[Key]]]]:
    """The groups of layers, of rings and of voxels."""
    return [found for what in ("layer", "ring", "voxel") if (found := [g for g in groups if g[1][0][0] == what])]


def checked_layers(layers: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """[angles, rings] as pairs.

    Raises
    ------
    HyperparameterError
        If they are none.
    """
    pairs = [tuple(layer) for layer in layers]
    wrong = [pair for pair in pairs if len(pair) != 2 or any(not isinstance(size, int) or size < 1 for size in pair)]
    if wrong or not pairs:
        raise HyperparameterError(
            f"layers = {[list(pair) for pair in pairs]} must be the numbers of angles and rings of every layer, as "
            "[[1, 8], [10, 16]]."
        )
    return [(pair[0], pair[1]) for pair in pairs]
