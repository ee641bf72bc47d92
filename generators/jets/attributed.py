"""Jets of several classes by one model: first what is known of a jet, then its constituents (PC-Droid, 2307.06836)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from generators.errors import HyperparameterError, ShapeError
from generators.factorised.base import FactorisedGenerator
from generators.factorised.coordinates import Coordinates, Request, Second
from generators.jets.base import PT
from generators.jets.four_momenta import LIGHT, summed
from generators.protocols import Array
from generators.registry import register
from generators.usable_rows import check_rows

#: Attributes of a jet: share of its pT in the constituents, ln of their mass over that pT, and their number, which is
#: the last column of the context of constituents.
ATTRIBUTES = 3


@register
@dataclass(kw_only=True, eq=False)
class AttributedJets(FactorisedGenerator):
    """p(ΣpT, m, N | c) by a generator of feature vectors, and p(constituents | ΣpT, m, N, c) by one of clouds.

    Events are clouds (N, P, F ≥ 3) as those of `CloudGenerator`; c says of what class a jet is, one column each, and
    what else is known, such as its pT. So one model makes jets of all classes, each with attributes of its own.
    What is drawn is not moved onto the attributes: `attributes_of` tells how well the constituents follow them.
    """

    kind: ClassVar[str] = "attributed_jets"
    parts: ClassVar[tuple[str, str]] = ("attributes", "constituents")

    attributes: dict[str, Any] = field(
        default_factory=lambda: {
            "kind": "coupling_spline",
            "bijection": {"kind": "chain", "bijections": ["dequantise", "quantile_normal"]},
        }
    )
    constituents: dict[str, Any] = field(default_factory=lambda: {"kind": "fpcd"})

    @override
    def arranged(self, first: Any, second: Any) -> tuple[Any, Any]:
        if "multiplicity" not in second.hyperparameters():
            raise HyperparameterError(f"constituents of {self.kind}: '{second.kind}' makes no clouds.")
        # A copy: the generator may be one that somebody else uses too.
        return first, dataclasses.replace(second, multiplicity=-1)

    @override
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        shape = np.shape(x)
        if len(shape) != 3 or shape[2] <= PT:
            raise ShapeError(f"x must be (N, P, F) with Δη, Δφ and pT of constituents; it is {shape}.")
        check_rows(x, context, weights)
        empty = ~(np.asarray(x)[weights != 0][..., PT] > 0).any(axis=1)
        if empty.any():
            raise ShapeError(
                f"{int(empty.sum())} jets have no constituents (first in row {int(np.argmax(empty))}); leave them out."
            )

    @override
    def coordinates(self, x: Array, context: Array, weights: NDArray[np.float64]) -> JetCoordinates:
        return JetCoordinates(x.shape[1], x.shape[2])

    @override
    def restored(self, state: dict[str, Tensor], sizes: tuple[int, ...]) -> JetCoordinates:
        return JetCoordinates(*sizes)


@dataclass(frozen=True, eq=False)
class JetCoordinates(Coordinates):
    """The attributes of a jet, and the jet, of at most `points` constituents with `features` numbers each."""

    points: int
    features: int

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (self.points, self.features)

    @property
    @override
    def sizes(self) -> tuple[int, ...]:
        return (self.points, self.features)

    @override
    def first(self, x: Array, context: Array) -> Array:
        return attributes_of(x)

    @override
    def second(self, x: Array, context: Array) -> Second:
        return Second(x, np.concatenate([context, attributes_of(x)], axis=1))

    @override
    def request(self, first: Array, context: Array, random: torch.Generator) -> Request:
        drawn = np.asarray(first, np.float64).copy()
        drawn[:, -1] = np.clip(np.rint(drawn[:, -1]), 1, self.points)
        return _Constituents(np.concatenate([context, drawn], axis=1))

    @override
    def state(self) -> dict[str, Tensor]:
        return {}


class _Constituents(Request):
    def __init__(self, context: Array) -> None:
        self.context = context

    @override
    def event(self, second: Array) -> Array:
        return second


def attributes_of(x: Array) -> NDArray[np.float64]:
    """ΣpT, ln m/ΣpT and N of clouds (N, P, F), (N, 3)."""
    clouds = torch.as_tensor(np.asarray(x, np.float64))
    pt = clouds[..., PT].clamp_min(0)
    total = pt.sum(dim=1)
    jets = summed(pt, clouds[..., 0], clouds[..., 1])
    light = (jets.mass / jets.pt.clamp_min(1e-300)).clamp_min(LIGHT)
    return torch.stack([total, light.log(), (pt > 0).sum(dim=1).double()], dim=1).numpy()
