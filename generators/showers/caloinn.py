"""CaloINN (Ernst et al., 2312.09290): one coupling flow of the energies of layers and all voxels together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from generators.errors import HyperparameterError, NonFiniteInputError
from generators.registry import create, register
from generators.showers.blocks import Known, WholeShower
from generators.showers.blockwise import BlockwiseDensity, Part
from generators.showers.energy_tree import EnergyTree
from generators.showers.presets import photons
from generators.showers.spread_cells import SpreadCells


@register
@dataclass(kw_only=True, eq=False)
class CaloINN(BlockwiseDensity):
    """Showers x (N, V) in GeV given the energy of the particle in column `incident` of the context, in one flow.

    The energy of the shower, those of its `layers` and the voxels are the 1 + L + V features of `flow`, a density of
    feature vectors such as "coupling_spline"; see `WholeShower`. Voxels below `threshold` in GeV are nothing.
    """

    kind: ClassVar[str] = "caloinn"

    layers: Sequence[Sequence[int]] = field(default_factory=photons)
    incident: int = 0
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
        if self.incident < 0 or self.draws < 1:
            raise HyperparameterError(
                f"{self.kind}: incident = {self.incident} is a column, counted from 0, and draws = {self.draws} at "
                "least 1."
            )
        self.known = Known(tuple(tree.layer_sizes), (), self.incident, SpreadCells(self.threshold))
        made = self.density(self.flow, "flow")
        self.flow = {"kind": made.kind, **made.hyperparameters()}

    @override
    def parts(self) -> list[Part]:
        return [Part([WholeShower(self.known)], create(self.flow))]

    @property
    @override
    def voxels(self) -> int:
        return sum(self.known.sizes)

    @override
    def needed(self) -> Sequence[int]:
        return [self.incident]

    @override
    def possible(self, x: Tensor, raw: Tensor) -> Tensor:
        return torch.ones(len(x), dtype=torch.bool)

    @override
    def refuse(self, x: Tensor, raw: Tensor) -> None:
        if not bool((raw[:, self.incident] > 0).all()):
            raise NonFiniteInputError(f"context, column {self.incident}: incident energies must be positive.")
