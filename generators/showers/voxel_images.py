"""The base of generators whose network makes the voxels of a shower at once, as images of its layers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from generators.base import NetworkGenerator, Prepared
from generators.conditional_network import device_of
from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
from generators.protocols import Array
from generators.showers.energy_tree import checked_layers
from generators.showers.given_energies import check_given
from generators.showers.normalised_voxels import in_layers
from generators.showers.presets import photons
from generators.sources import rows_within
from generators.tabular.base import NoiseSampler
from generators.training.batches import TrainingData
from generators.usable_rows import check_rows

#: Showers whose mean response sets the unit of energies.
_FOR_THE_UNIT = 20_000


@dataclass(frozen=True)
class Images:
    """What networks know of showers z (N, V) in units of the threshold, which are the images of `layers`.

    What a network gets as c (N, C) ends with the incident energy in GeV and, where they are `given`, the energies of
    the layers in units of the threshold; the `columns` before are the context.
    """

    layers: tuple[tuple[int, int], ...]
    columns: int
    incident: int
    given: bool

    @property
    def sizes(self) -> list[int]:
        """Voxels of every layer."""
        return [rows * columns for rows, columns in self.layers]

    @property
    def starts(self) -> list[int]:
        """First voxel of every layer."""
        return [0, *accumulate(self.sizes)][:-1]

    def split(self, z: Tensor) -> list[Tensor]:
        """Images (N, rows, columns) of showers (N, V)."""
        parts = torch.split(z, self.sizes, dim=1)
        return [part.reshape(len(z), *shape) for part, shape in zip(parts, self.layers, strict=True)]

    def energy(self, c: Tensor) -> Tensor:
        """The incident energy (N, 1) in GeV."""
        return c[:, self.columns : self.columns + 1]

    def others(self, c: Tensor) -> Tensor:
        """The context but for the incident energy, as networks see it, (N, columns − 1)."""
        return torch.cat([c[:, : self.incident], c[:, self.incident + 1 : self.columns]], dim=1)

    def lit(self, y: Tensor, c: Tensor, unit: Tensor | float) -> Tensor:
        """Showers (N, V) of the last numbers y (N, V) of a network, of which those above zero are energies in `unit`.

        Given layers have just their energies.
        """
        if not self.given:
            return torch.relu(y) * unit
        parts = torch.split(y, self.sizes, dim=1)
        energies = c[:, self.columns + 1 :]
        return torch.cat([shared(part, energies[:, n : n + 1]) for n, part in enumerate(parts)], dim=1)


def shared(y: Tensor, energy: Tensor) -> Tensor:
    """Voxels (N, V) of an energy (N, 1), in proportion to what of y (N, V) is above zero.

    Where nothing is, it is shared by a softmax, so that there is a gradient.
    """
    lit = torch.relu(y)
    lit = torch.where(lit.sum(dim=1, keepdim=True) > 0, lit, y.softmax(dim=1))
    return energy * lit / lit.sum(dim=1, keepdim=True)


class ImageMaker(NoiseSampler):
    """A network that makes showers z (N, V) in units of the threshold of noise, at what `Images` says of c.

    `widest` is how many numbers of a shower there are at once.
    """

    images: Images
    widest: int

    def made_like(self, x: Tensor, c: Tensor) -> Tensor:
        """Generated showers at c (N, C), as many as x (N, V); the noise is that of torch."""
        noise = torch.randn(len(x), *self.noise_shape, dtype=c.dtype, device=c.device)
        return self.transport(noise, c)


M = TypeVar("M", bound=ImageMaker)


@dataclass(kw_only=True, eq=False)
class VoxelImages(NetworkGenerator[M]):
    """Showers x (N, V) in GeV, made at once.

    `layers` are [angles, rings], or rows and columns; column `incident` of the context, counted from 0, is the energy
    of the particle in GeV, others reach the network as they are. `given` are none, where the energy of the shower is
    learned as well, or one column for each layer with its energy in GeV, as the chain "showers" wants its shapes; −1 is
    the last column. Voxels below `threshold` in GeV are nothing. There is no density.
    """

    layers: Sequence[Sequence[int]] = field(default_factory=photons)
    given: Sequence[int] = ()
    incident: int = 0
    threshold: float = 1e-3
    bijection: str | dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.sizes_of_layers = [rows * columns for rows, columns in checked_layers(self.layers)]
        self.layers, self.given = [list(layer) for layer in self.layers], list(self.given)
        if len(self.given) not in (0, len(self.layers)) or self.incident < 0:
            raise HyperparameterError(
                f"given = {self.given}, incident = {self.incident} of {self.kind}: given must name no column of the "
                f"context or one for each of {len(self.layers)} layers, and incident one, counted from 0."
            )
        # A layer may be empty that never was in training.
        self.linear = tuple(self.given)
        self.beside = 1 + len(self.given)
        self.bijection = {"kind": "readout", "threshold": self.threshold}
        self.unfitted_bijection()
        self.complete()

    @abstractmethod
    def complete(self) -> None:
        """Check what else there is, by name."""

    @override
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        check_rows(x, context, weights)
        voxels, columns = sum(self.sizes_of_layers), np.shape(context)[1]
        if len(np.shape(x)) != 2 or np.shape(x)[1] != voxels:
            raise ShapeError(f"x must be (N, {voxels}), the voxels of layers of {self.kind}; it is {np.shape(x)}.")
        if self.incident >= columns:
            raise ShapeError(f"{self.kind} needs column {self.incident} of the context, which has {columns}.")
        used = weights != 0
        if not (np.asarray(context)[used, self.incident] > 0).all():
            raise NonFiniteInputError(f"context, column {self.incident}: energies must be positive.")
        negative = (np.asarray(x)[used] < 0).any(axis=1)
        if negative.any():
            raise NonFiniteInputError(
                f"x: {int(negative.sum())} showers have voxels with negative energy (first in row "
                f"{int(np.flatnonzero(used)[np.argmax(negative)])}); an empty voxel has 0."
            )
        if self.given:
            check_given(
                x,
                context,
                weights,
                kind=self.kind,
                voxels=voxels,
                given=self.given,
                incident=self.incident,
                threshold=self.threshold,
                energies=self._energies,
            )

    @override
    def prepared(self, x: Tensor, context: Tensor, weights: Tensor, *, seed: int) -> Prepared:
        bijection = self.unfitted_bijection().fit(x, weights)
        return Prepared(bijection.forward(x)[0], self._beside(context), bijection)

    @override
    def mapped(self, x: Tensor, context: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
        return self.bijection_.forward(x)[0], self._beside(context)

    @override
    def one_mapped_back(self, row: Tensor) -> Tensor:
        return self.bijection_.inverse(row)

    @override
    def drawn(self, network: M, raw: Tensor, c: Tensor, generator: torch.Generator) -> Tensor:
        known = torch.cat([c, self._beside(raw).float()], dim=1)
        z = network.draw(known.to(device_of(network)), generator).cpu().double()
        if self.given:
            energies = raw[:, list(self.given)]
            return in_layers(z, energies, self.sizes_of_layers, self.threshold)
        return self.bijection_.inverse(torch.where(z >= 1, z, torch.zeros_like(z)))

    @override
    def rows_at_once(self, network: M) -> int:
        return rows_within(max(network.widest, self.features_))

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        self._require_fit()
        return (self.features_,)

    def images(self, shape: tuple[int, ...], context: int) -> Images:
        """What the network of events of that shape knows, if there are so many columns of context."""
        if shape != (sum(self.sizes_of_layers),):
            raise ShapeError(f"layers of {self.kind} hold {sum(self.sizes_of_layers)} voxels, but x has {shape}.")
        pairs = tuple((int(rows), int(columns)) for rows, columns in self.layers)
        return Images(pairs, context, self.incident, bool(self.given))

    def response(self, data: TrainingData) -> Tensor:
        """Energy of all voxels in units of the threshold for a GeV of the particle, the weighted mean."""
        some = data.rows(torch.arange(min(len(data), _FOR_THE_UNIT)))
        weights, incident = some.weights.double(), some.context[:, -self.beside].double()
        total: Tensor = (weights * some.x.double().sum(dim=1)).sum() / (weights * incident).sum()
        # Weights may be negative, and a unit is not.
        return total.abs().clamp_min(1e-6).float()

    def largest_energy(self, data: TrainingData) -> Tensor:
        """That of a particle in GeV."""
        largest: Tensor = data.context[:, -self.beside].max()
        return largest

    def _beside(self, raw: Tensor) -> Tensor:
        return torch.cat([raw[:, [self.incident]], raw[:, list(self.given)] / self.threshold], dim=1)

    def _energies(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        cut = np.where(rows >= self.threshold, rows, 0.0)
        starts = np.cumsum([0, *self.sizes_of_layers[:-1]])
        return np.asarray(np.add.reduceat(cut, starts, axis=1), np.float64)
