"""Dijet events with all their constituents: from the mass to both jets to what they are made of (2310.06897)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from generators.errors import ShapeError
from generators.factorised.base import FactorisedGenerator
from generators.factorised.coordinates import Coordinates, Request, Second
from generators.jets.dijet_features import DijetFeatures, constituents_context, jets_of
from generators.jets.four_momenta import (
    FourMomenta,
    absolute,
    aligned,
    conforming,
    from_widths,
    in_widths,
    laid_anyhow,
    relative,
)
from generators.protocols import Array
from generators.registry import register
from generators.usable_rows import check_rows

#: Column of the context of constituents that holds their number.
_NUMBER = 2


@register
@dataclass(kw_only=True, eq=False)
class FullPhaseSpace(FactorisedGenerator):
    """All constituents of two jets given the mass of the pair: a chain of two generators.

    Events are (N, 2, P, F ≥ 3) of constituents (pT, η, φ, …), where one with pT = 0 is absent, and the first column of
    the context is the mass m_jj in the unit of pT. `jets` is the specification of a tabular generator. It learns
    p(both jets | m_jj) of sizes that do not scale with the mass, and the numbers of constituents, see `DijetFeatures`;
    one bijection makes them continuous. `constituents` is any generator of clouds. It learns p(constituents of a jet |
    both jets, m_jj) of jets on their own axis, in units of their own width and all lying alike, see `in_widths` and
    `aligned`; what is drawn is laid in any direction around its axis.

    What is drawn is moved onto the jets that it was asked for, see `conforming`, so that jets and m_jj that are
    computed from the constituents again are those of the first step.

    >>> chain = FullPhaseSpace(constituents={"kind": "autoregressive_cloud", "width": 16})
    >>> chain.jets["kind"], chain.constituents["width"]
    ('flow_matching', 16)
    """

    kind: ClassVar[str] = "full_phase_space"
    parts: ClassVar[tuple[str, str]] = ("jets", "constituents")

    jets: dict[str, Any] = field(
        default_factory=lambda: {
            "kind": "flow_matching",
            "bijection": {"kind": "chain", "bijections": ["dequantise", "quantile_normal"]},
        }
    )
    constituents: dict[str, Any] = field(default_factory=lambda: {"kind": "epic_fm"})

    @override
    def arranged(self, first: Any, second: Any) -> tuple[Any, Any]:
        if "multiplicity" in second.hyperparameters():
            # A copy: the generator may be one that somebody else uses too.
            second = dataclasses.replace(second, multiplicity=_NUMBER)
        return first, second

    @override
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        shape = np.shape(x)
        if len(shape) != 4 or shape[1] != 2 or shape[3] < 3:
            raise ShapeError(
                f"x must be (N, 2, P, F) with the constituents (pT, η, φ, …) of two jets; it is {shape}. Read events "
                "with their constituents."
            )
        check_rows(x, context, weights)
        used = weights != 0
        if np.shape(context)[1] < 1 or not (np.asarray(context)[used, 0] > 0).all():
            raise ShapeError("The first column of the context must be the mass of the pair, which is positive.")
        empty: NDArray[np.bool_] = np.all(np.asarray(x)[used, :, :, 0] <= 0, axis=2)
        if empty.any():
            raise ShapeError(
                f"{int(empty.sum())} jets have no constituents (first in event "
                f"{int(np.argmax(np.any(empty, axis=1)))}). Exclude such events in the selection."
            )

    @override
    def coordinates(self, x: Array, context: Array, weights: NDArray[np.float64]) -> Dijets:
        jets, counts = jets_of(_tensor(x))
        features = DijetFeatures.of(jets, counts, _tensor(context)[:, 0], _tensor(weights))
        return Dijets(features, x.shape[2], x.shape[3])

    @override
    def restored(self, state: dict[str, Tensor], sizes: tuple[int, ...]) -> Dijets:
        return Dijets(DijetFeatures.from_state(state), *sizes)

    @property
    def mass_corrections_(self) -> tuple[float, float]:
        """Of the last call of `sample`: how much the masses of jets were moved, see `Dijets.mass_corrections`."""
        self.require_fit()
        assert isinstance(self.coordinates_, Dijets)
        return self.coordinates_.mass_corrections


class Dijets(Coordinates):
    """Two jets as features, and their constituents in units of them; `points` of `width` numbers each at most.

    `mass_corrections` holds median and standard deviation of the logarithm of the factor by which the masses of jets
    were changed when an event was last made.
    """

    def __init__(self, features: DijetFeatures, points: int, width: int) -> None:
        self.features, self.points, self.width = features, points, width
        self.mass_corrections = (0.0, 0.0)

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (2, self.points, self.width)

    @property
    @override
    def sizes(self) -> tuple[int, ...]:
        return (self.points, self.width)

    @override
    def first(self, x: Array, context: Array) -> Array:
        jets, counts = jets_of(_tensor(x))
        return self.features.columns(jets, counts, _tensor(context)[:, 0]).numpy()

    @override
    def second(self, x: Array, context: Array) -> Second:
        events = _tensor(x)
        jets, counts = jets_of(events)
        of_jets = constituents_context(jets, counts, _tensor(context)[:, 0])
        clouds = aligned(in_widths(relative(events, jets), jets))
        return Second(clouds.flatten(0, 1).numpy(), of_jets.flatten(0, 1).numpy())

    @override
    def request(self, first: Array, context: Array, random: torch.Generator) -> Request:
        mass = _tensor(context)[:, 0]
        laid = torch.rand(len(context), 2, generator=random, dtype=torch.float64)
        jets, counts = self.features.jets(_tensor(first), mass, laid, self.points)
        return _Filled(self, jets, constituents_context(jets, counts, mass).flatten(0, 1).numpy(), random)

    @override
    def state(self) -> dict[str, Tensor]:
        return self.features.state()


class _Filled(Request):
    """Jets that want constituents."""

    def __init__(self, dijets: Dijets, jets: FourMomenta, context: Array, random: torch.Generator) -> None:
        self.dijets, self.jets, self.context, self.random = dijets, jets, context, random

    @override
    def event(self, second: Array) -> Array:
        jets, clouds = self.jets, laid_anyhow(_tensor(second), self.random)
        clouds = from_widths(clouds.reshape(-1, 2, *clouds.shape[1:]), jets)
        made, factor = conforming(clouds.flatten(0, 1), (jets.mass / jets.pt).flatten())
        if len(factor):
            self.dijets.mass_corrections = (float(factor.log().median()), float(factor.log().std(correction=0)))
        events: Array = absolute(made.reshape(clouds.shape), jets).float().numpy()
        return events


def _tensor(values: Array) -> Tensor:
    return torch.as_tensor(np.asarray(values, np.float64))
