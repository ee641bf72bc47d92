"""The bases of block-wise generators of the voxels of layers whose energies are known."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
from generators.showers.blocks import Known
from generators.showers.blockwise import Blockwise, BlockwiseDensity, Part
from generators.showers.energy_tree import EnergyTree
from generators.showers.presets import photons
from generators.showers.spread_cells import SpreadCells

#: How far energies in the context may be from those of the voxels, relative to them.
_CLOSE = 1e-3


@dataclass(kw_only=True, eq=False)
class GivenLayers(Blockwise):
    """Showers x (N, V) in GeV given the energies of their layers, as the chain "showers" wants its shapes.

    `layers` are [angles, rings]; `given` are the columns of the context with the energies of layers in GeV, above the
    `threshold`, and −1 the last column, by default the last ones; `incident` is the one of the particle, or None. Other
    columns of the context reach every block as they are.
    """

    layers: Sequence[Sequence[int]] = field(default_factory=photons)
    given: Sequence[int] = ()
    incident: int | None = 0
    threshold: float = 1e-3

    def __post_init__(self) -> None:
        tree = EnergyTree(self.layers, None)
        self.layers = [list(layer) for layer in self.layers]
        self.given = list(self.given) or list(range(-len(self.layers), 0))
        if len(self.given) != len(self.layers):
            raise HyperparameterError(
                f"given = {self.given} of {self.kind} must name one column of the context for each of "
                f"{len(self.layers)} layers."
            )
        self.known = Known(tuple(tree.layer_sizes), tuple(self.given), self.incident, SpreadCells(self.threshold))
        self.complete()

    @abstractmethod
    def complete(self) -> None:
        """Check the specifications of generators, and put what they are by default into them."""

    @abstractmethod
    def parts(self) -> list[Part]:
        """The parts, made anew."""

    @property
    @override
    def voxels(self) -> int:
        return sum(self.known.sizes)

    @override
    def needed(self) -> Sequence[int]:
        return [*self.given, self.incident or 0]

    @override
    def refuse_context(self, raw: Tensor) -> None:
        for column in self.needed() if self.incident is not None else self.given:
            wrong = raw[:, column] < 0
            if bool(wrong.any()):
                raise NonFiniteInputError(
                    f"context, column {column % raw.shape[1]}: energies must not be negative; {int(wrong.sum())} of "
                    f"{len(raw)} are, the smallest is {float(raw[:, column].min()):g}. An empty layer has 0."
                )

    @override
    def refuse(self, x: Tensor, raw: Tensor) -> None:
        wrong = ~self._as_given(x, raw)
        if bool(wrong.any()):
            raise ShapeError(
                f"context: columns {self.given} should hold the energies of layers above the threshold of "
                f"{self.threshold:g} GeV; in {int(wrong.sum())} of {len(x)} rows they do not."
            )

    def _as_given(self, x: Tensor, raw: Tensor) -> Tensor:
        """Whether the layers of showers (N, V) have the energies of the context, (N,)."""
        cells = self.known.cells
        found = torch.stack(
            [part.sum(dim=1) for part in torch.split(cells.cut(x), list(self.known.sizes), dim=1)], dim=1
        )
        due = cells.cut(self.known.energies(raw))
        return ((found - due).abs() <= _CLOSE * (self.threshold + due)).all(dim=1)


@dataclass(kw_only=True, eq=False)
class GivenLayersDensity(GivenLayers, BlockwiseDensity):
    """The same of densities: one of showers on the surface of given energies."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.draws < 1:
            raise HyperparameterError(f"draws = {self.draws} of {self.kind} must be at least 1.")

    @override
    def possible(self, x: Tensor, raw: Tensor) -> Tensor:
        return self._as_given(x, raw)

    def completed(self, specification: Any, place: str) -> dict[str, Any]:
        """The specification of a density with all that it says by default."""
        made = self.density(specification, place)
        return {"kind": made.kind, **made.hyperparameters()}
