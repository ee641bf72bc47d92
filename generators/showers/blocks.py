"""What a generator of feature vectors makes of a shower at once, and what it is told of the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from typing_extensions import override

from generators.showers.spread_cells import SpreadCells

#: No number that is told is as large. A column of one sign in training must have it always: all are negative.
_LARGE = 40.0


@dataclass(frozen=True)
class Known:
    """What is known of showers of these `sizes` of layers before their voxels are.

    `given` are the columns of the context with the energies of the layers in GeV, if there are any, `incident` the one
    with that of the particle, or None; other columns are told as they are.
    """

    sizes: tuple[int, ...]
    given: tuple[int, ...]
    incident: int | None
    cells: SpreadCells

    @property
    def starts(self) -> list[int]:
        """First voxel of every layer."""
        return [0, *accumulate(self.sizes)][:-1]

    def voxels(self, layers: Sequence[int]) -> Tensor:
        """Places of the voxels of layers."""
        return torch.cat([torch.arange(self.starts[n], self.starts[n] + self.sizes[n]) for n in layers])

    def energies(self, raw: Tensor) -> Tensor:
        """Energies of the layers (N, L) in GeV in the context (N, C)."""
        return raw[:, list(self.given)]

    def told(self, raw: Tensor) -> Tensor:
        """What the context (N, C) says beside the energies of the layers."""
        columns = raw.shape[1]
        given = {column % columns for column in self.given}
        incident = None if self.incident is None else self.incident % columns
        parts = [
            self.logarithm(raw[:, column : column + 1]) if column == incident else raw[:, column : column + 1]
            for column in range(columns)
            if column not in given
        ]
        return torch.cat([raw[:, :0], *parts], dim=1)

    def logarithm(self, energies: Tensor) -> Tensor:
        """Energies in GeV as a network sees them: ln(1 + energy / threshold), below zero."""
        return (energies.clamp_min(0) / self.cells.threshold).log1p().clamp_max(_LARGE - 1) - _LARGE


class Block(ABC):
    """A part of a shower x (N, V) in GeV that is learned as one feature vector, given the context (N, C) and the rest.

    `numbers` are the normal random numbers that `forward` takes for a row; blocks are made in the order of `place`.
    """

    numbers: int
    place: int

    @abstractmethod
    def forward(self, x: Tensor, raw: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The vector (N, D) and the logarithm of what multiplies its density, (N,); see `SpreadCells`."""

    @abstractmethod
    def inverse(self, z: Tensor, raw: Tensor, x: Tensor) -> None:
        """Write the voxels of vectors z (N, D) to showers x (N, V), of which earlier blocks are known."""

    @abstractmethod
    def told(self, x: Tensor, raw: Tensor) -> Tensor:
        """The context (N, C') of the vector."""


class LayersBlock(Block):
    """The voxels of some `layers`, given the energies of these and of those in `beside`, and the voxels of `seen` ones.

    With `one_of` (place, number) a vector of as many columns says which of several blocks it is.
    """

    def __init__(
        self,
        known: Known,
        layers: Sequence[int],
        *,
        beside: Sequence[int] = (),
        seen: Sequence[int] = (),
        one_of: tuple[int, int] = (0, 1),
    ) -> None:
        self.known, self.layers, self.beside, self.one_of = known, list(layers), list(beside), one_of
        self.own, self.before = known.voxels(layers), known.voxels(seen) if seen else None
        self.numbers, self.place = len(self.own) + len(self.layers), min(self.layers)

    @override
    def forward(self, x: Tensor, raw: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        pieces, place = [], 0
        total = x.new_zeros(len(x))
        for layer in self.layers:
            start, size = self.known.starts[layer], self.known.sizes[layer]
            cells = self.known.cells.cut(x[:, start : start + size])
            y, log_weight = self.known.cells.forward(cells, noise[:, place : place + size + 1])
            pieces.append(y)
            total, place = total + log_weight, place + size + 1
        return torch.cat(pieces, dim=1), total

    @override
    def inverse(self, z: Tensor, raw: Tensor, x: Tensor) -> None:
        energies = self.known.energies(raw)
        for layer, part in zip(
            self.layers, torch.split(z, [self.known.sizes[n] for n in self.layers], dim=1), strict=True
        ):
            start, size = self.known.starts[layer], self.known.sizes[layer]
            x[:, start : start + size] = self.known.cells.inverse(part, energies[:, layer])

    @override
    def told(self, x: Tensor, raw: Tensor) -> Tensor:
        parts = [self.known.told(raw), self.known.logarithm(self.known.energies(raw)[:, [*self.beside, *self.layers]])]
        if self.before is not None:
            parts.append(self.known.logarithm(self.known.cells.cut(x[:, self.before])))
        place, number = self.one_of
        if number > 1:
            parts.append(torch.eye(number, dtype=x.dtype)[place].expand(len(x), -1))
        return torch.cat(parts, dim=1)


class WholeShower(Block):
    """Energy of the shower, energies of its layers and voxels as one vector of 1 + L + V numbers.

    With `visible` the energy of the shower is what the context holds, and no number.
    """

    def __init__(self, known: Known, *, visible: bool = False) -> None:
        self.known, self.visible = known, visible
        self.numbers, self.place = 2 + 2 * len(known.sizes) + sum(known.sizes), 0

    @override
    def forward(self, x: Tensor, raw: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        cells, layers = self.known.cells, len(self.known.sizes)
        cut = cells.cut(x)
        energies = torch.stack([part.sum(dim=1) for part in torch.split(cut, list(self.known.sizes), dim=1)], dim=1)
        shares, of_layers = cells.forward(energies, noise[:, 1 : layers + 2])
        inner = LayersBlock(self.known, range(layers))
        voxels, of_voxels = inner.forward(x, raw, noise[:, layers + 2 :])
        if self.visible:
            return torch.cat([shares, voxels], dim=1), of_layers + of_voxels
        ratio, of_ratio = self._ratio(energies.sum(dim=1), self._energy(raw), noise[:, 0])
        return torch.cat([ratio[:, None], shares, voxels], dim=1), of_ratio + of_layers + of_voxels

    def _ratio(self, total: Tensor, incident: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithm of the energy of the shower over that of the particle, and its weight in the density."""
        threshold = self.known.cells.threshold
        # The shower is a cell by itself: without energy it has noise, and nothing to share it with.
        empty = (threshold / incident).log() - noise.abs()
        ratio = torch.where(total > 0, total.clamp_min(threshold).div(incident).log(), empty)
        # The absolute value of a normal number has twice its density.
        half = 0.5 * (noise.square().expand(len(total)) + _LOG_TWO_PI) - _LOG_TWO
        return ratio, torch.where(total > 0, -total.clamp_min(threshold).log(), half)

    @override
    def inverse(self, z: Tensor, raw: Tensor, x: Tensor) -> None:
        cells, layers = self.known.cells, len(self.known.sizes)
        total = self._energy(raw)
        if not self.visible:
            total, z = z[:, 0].clamp_max(_LARGEST_RATIO).exp() * total, z[:, 1:]
        energies = cells.inverse(z[:, :layers], total)
        parts = torch.split(z[:, layers:], list(self.known.sizes), dim=1)
        x[:] = torch.cat([cells.inverse(part, energies[:, number]) for number, part in enumerate(parts)], dim=1)

    @override
    def told(self, x: Tensor, raw: Tensor) -> Tensor:
        return self.known.told(raw)

    def _energy(self, raw: Tensor) -> Tensor:
        assert self.known.incident is not None
        return raw[:, self.known.incident]


#: No shower has more than 400 times the energy of its particle.
_LARGEST_RATIO = 6.0
_LOG_TWO, _LOG_TWO_PI = 0.6931471805599453, 1.8378770664093453
