"""Energies of layers as ratios in the unit interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import SmoothBijection, spread
from generators.bijections.smooth import required
from generators.bijections.sticks import pieces, shares
from generators.errors import HyperparameterError, ShapeError
from generators.registry import register


@register
@dataclass(eq=False, repr=False)
class LayerRatios(SmoothBijection):
    """Layer energies E (N, L) as u₀ = ΣE / (k E_inc) and u_i = E_{i−1} / Σ_{j ≥ i−1} E_j (CaloFlow, 2106.05285).

    log|du/dE| = −log(k E_inc) − Σ log R_i over the energies R_i that are left before all layers but the last. `scale`
    is k, at least the largest visible energy over the incident one, or u₀ leaves the unit interval: 1 for the geometry
    of CaloGAN, 2.42 and 6.93 for the photons and pions of the CaloChallenge. `incident` is the column of the context
    that holds E_inc; None leaves it out, for a context that is the visible energy itself. `order` is the order in which
    layers are taken, that of the columns unless given: layers that are often empty are better described first.

    >>> energies, incident = torch.tensor([[1.0, 3.0], [4.0, 4.0]]), torch.tensor([[8.0], [10.0]])
    >>> LayerRatios().fit(energies, context=incident).forward(energies, incident)[0].tolist()[0]
    [0.5, 0.25]
    """

    kind: ClassVar[str] = "layer_ratios"
    learned: ClassVar[tuple[str, ...]] = ("columns",)

    scale: float = 1.0
    incident: int | None = 0
    order: Sequence[int] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.order = list(self.order)
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise HyperparameterError(f"scale = {self.scale} of LayerRatios must be positive.")
        if self.incident is not None and self.incident < 0:
            raise HyperparameterError(f"incident = {self.incident} of LayerRatios must be a column of the context.")
        if sorted(self.order) != list(range(len(self.order))):
            raise HyperparameterError(f"order = {self.order} of LayerRatios must name every layer once, from 0 on.")

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        spread(x)
        if self.order and len(self.order) != x.shape[1]:
            raise ShapeError(f"order of LayerRatios names {len(self.order)} layers, but x has {x.shape[1]} columns.")
        self._reach(x, context)
        return {"columns": torch.ones(x.shape[1], dtype=x.dtype, device=x.device)}

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        reach = self._reach(x, context)
        total, ratios, log_det = shares(x[:, list(self.order)] if self.order else x)
        return torch.cat([total / reach, ratios], dim=1), log_det - reach.log()[:, 0]

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        energies = pieces(z[:, :1] * self._reach(z, context), z[:, 1:])
        if not self.order:
            return energies
        place = [0] * len(self.order)
        for index, layer in enumerate(self.order):
            place[layer] = index
        return energies[:, place]

    def _reach(self, rows: Tensor, context: Tensor | None) -> Tensor:
        """The energy k E_inc that a shower can have at most, (N, 1)."""
        if self.incident is None:
            return torch.full_like(rows[:, :1], self.scale)
        c = required(context, "LayerRatios")
        if c.shape[1] <= self.incident:
            raise ShapeError(f"incident = {self.incident} of LayerRatios, but the context has {c.shape[1]} columns.")
        return self.scale * c[:, self.incident : self.incident + 1].to(rows.dtype)
