"""Feature vectors of which some columns are learned first, and the others given those."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from generators.errors import HyperparameterError, ShapeError
from generators.factorised.base import FactorisedDensity, FactorisedGenerator, are_densities, generator_of
from generators.factorised.coordinates import ExactCoordinates, Request, Second
from generators.protocols import Array
from generators.registry import register
from generators.usable_rows import check_rows


@register
@dataclass(kw_only=True, eq=False)
class Factorised(FactorisedGenerator):
    """p(a | c) · p(b | a, c) of feature vectors x (N, D), each factor a generator of its own.

    `columns` are the places of a among the features, b are the others. The context of `second` is that of `first` and
    then a. If both are densities, so is this.
    """

    kind: ClassVar[str] = "factorised"
    by_rows: ClassVar[bool] = True

    columns: list[int] = field(default_factory=lambda: [0])
    first: dict[str, Any] = field(default_factory=lambda: {"kind": "autoregressive_spline"})
    second: dict[str, Any] = field(default_factory=lambda: {"kind": "flow_matching"})

    def __new__(cls, **fields: Any) -> Self:
        """What knows a density has the method that says it, and nothing else has."""
        if cls is Factorised and "first" in fields and "second" in fields:
            inner = (generator_of(fields[name], f"{name} of {cls.kind}") for name in cls.parts)
            if are_densities(*inner):
                return cast(Self, object.__new__(_WithDensity))
        return object.__new__(cls)

    @override
    def arranged(self, first: Any, second: Any) -> tuple[Any, Any]:
        whole = all(type(column) is int and column >= 0 for column in self.columns)
        if not whole or not self.columns or len(set(self.columns)) != len(self.columns):
            raise HyperparameterError(
                f"columns = {self.columns} of {self.kind} must be different places of features, counted from 0."
            )
        self.columns = list(self.columns)
        return first, second

    @override
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        shape = np.shape(x)
        if len(shape) != 2 or not max(self.columns) < shape[1] or len(self.columns) == shape[1]:
            raise ShapeError(f"x must be (N, D) with the columns {self.columns} and at least one other; it is {shape}.")
        check_rows(x, context, weights)

    @override
    def coordinates(self, x: Array, context: Array, weights: NDArray[np.float64]) -> Columns:
        return Columns(tuple(self.columns), x.shape[1])

    @override
    def restored(self, state: dict[str, Tensor], sizes: tuple[int, ...]) -> Columns:
        return Columns(tuple(self.columns), sizes[0])


@dataclass(frozen=True, eq=False)
class Columns(ExactCoordinates):
    """The columns at some places of `features`, and the others."""

    places: tuple[int, ...]
    features: int

    @property
    def others(self) -> list[int]:
        """The places of the second part."""
        return [place for place in range(self.features) if place not in self.places]

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (self.features,)

    @property
    @override
    def sizes(self) -> tuple[int, ...]:
        return (self.features,)

    @override
    def first(self, x: Array, context: Array) -> Array:
        return x[:, list(self.places)]

    @override
    def second(self, x: Array, context: Array) -> Second:
        return Second(x[:, self.others], np.concatenate([context, self.first(x, context)], axis=1))

    @override
    def request(self, first: Array, context: Array, random: torch.Generator) -> Request:
        return _Others(self, first, np.concatenate([context, first], axis=1))

    @override
    def state(self) -> dict[str, Tensor]:
        return {}

    @override
    def log_det(self, x: Array, context: Array) -> NDArray[np.float64]:
        return np.zeros(len(x))


class _Others(Request):
    def __init__(self, columns: Columns, first: Array, context: Array) -> None:
        self.columns, self.first, self.context = columns, first, context

    @override
    def event(self, second: Array) -> Array:
        x = np.empty((len(second), self.columns.features), np.float32)
        x[:, list(self.columns.places)], x[:, self.columns.others] = self.first, second
        return x


@dataclass(kw_only=True, eq=False)
class _WithDensity(Factorised, FactorisedDensity):
    """What `Factorised` is if both parts are densities."""

    @override
    def check_events(self, x: Array, context: Array) -> None:
        if len(np.shape(x)) != 2 or np.shape(x)[1] != self.coordinates_.event_shape[0]:
            raise ShapeError(f"x is {np.shape(x)}; this density was fitted with {self.coordinates_.event_shape[0]}.")
        check_rows(x, context, np.ones(len(x)), minimum=0)

    @override
    def impossible(self, x: Array, context: Array) -> NDArray[np.bool_]:
        return np.zeros(len(x), dtype=bool)
