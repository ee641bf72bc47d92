"""CaloINN (Ernst et al., 2312.09290): one coupling flow of the energies of layers and all voxels together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
from generators.registry import create, register
from generators.showers.blocks import Known, WholeShower
from generators.showers.blockwise import BlockwiseDensity, Part
from generators.showers.energy_tree import EnergyTree
from generators.showers.presets import photons
from generators.showers.spread_cells import SpreadCells

#: How far a visible energy in the context may be from that of the voxels, relative to it.
_CLOSE = 1e-3


@register
@dataclass(kw_only=True, eq=False)
class CaloINN(BlockwiseDensity):
    """Showers x (N, V) in GeV given the energy of the particle in column `incident` of the context, in one flow.

    The energy of the shower, those of its `layers` and the voxels are the 1 + L + V features of `flow`, a density of
    feature vectors such as "coupling_spline"; see `WholeShower`. Voxels below `threshold` in GeV are nothing. With
    `visible`, a column of the context that holds the energy of the shower itself, such as E_rec in a search, there is
    one feature less.
    """

    kind: ClassVar[str] = "caloinn"

    layers: Sequence[Sequence[int]] = field(default_factory=photons)
    incident: int = 0
    visible: int | None = None
    threshold: float = 1e-3
    flow: dict[str, Any] = field(
        default_factory=lambda: {
            "kind": "coupling_spline",
            "blocks": 12,
            "hidden": 256,
            "layers": 3,
            "bins": 10,
            "tail_bound": 18.0,
            "bijection": "standardise",
            "training": {"epochs": 50, "steps": None, "batch_size": 512, "learning_rate": 1e-4, "weight_decay": 1e-2},
        }
    )

    def __post_init__(self) -> None:
        tree = EnergyTree(self.layers, None)
        self.layers = [list(layer) for layer in self.layers]
        self.column = self.incident if self.visible is None else self.visible
        if self.incident < 0 or self.column < 0 or self.draws < 1:
            raise HyperparameterError(
                f"{self.kind}: incident = {self.incident} and visible = {self.visible} are columns, counted from 0, "
                f"and draws = {self.draws} is at least 1."
            )
        self.known = Known(tuple(tree.layer_sizes), (), self.column, SpreadCells(self.threshold))
        made = self.density(self.flow, "flow")
        self.flow = {"kind": made.kind, **made.hyperparameters()}

    @override
    def parts(self) -> list[Part]:
        return [Part([WholeShower(self.known, visible=self.visible is not None)], create(self.flow))]

    @property
    @override
    def voxels(self) -> int:
        return sum(self.known.sizes)

    @override
    def needed(self) -> Sequence[int]:
        return [self.column]

    @override
    def possible(self, x: Tensor, raw: Tensor) -> Tensor:
        if self.visible is None:
            return torch.ones(len(x), dtype=torch.bool)
        due = raw[:, self.visible]
        return (self.known.cells.cut(x).sum(dim=1) - due).abs() <= _CLOSE * (self.threshold + due)

    @override
    def refuse_context(self, raw: Tensor) -> None:
        wrong = raw[:, self.column] <= 0
        if bool(wrong.any()):
            raise NonFiniteInputError(
                f"context, column {self.column}: energies must be positive, in GeV; {int(wrong.sum())} of {len(raw)} "
                f"are not, the smallest is {float(raw[:, self.column].min()):g}."
            )

    @override
    def refuse(self, x: Tensor, raw: Tensor) -> None:
        wrong = ~self.possible(x, raw)
        if bool(wrong.any()):
            raise ShapeError(
                f"context, column {self.column}, should hold the energy of all voxels above the threshold of "
                f"{self.threshold:g} GeV; in {int(wrong.sum())} of {len(x)} rows it does not."
            )
