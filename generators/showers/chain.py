"""Showers as the energies of their layers and then their shapes, each by a generator of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from generators.bijections.base import FittedBijection
from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
from generators.factorised.base import FactorisedDensity, FactorisedGenerator, are_densities, generator_of
from generators.factorised.coordinates import ExactCoordinates, Request, Second
from generators.protocols import Array
from generators.registry import register
from generators.showers.energy_tree import EnergyTree
from generators.showers.given_energies import refuse_negative
from generators.showers.presets import layer_bijection, photons
from generators.sources import SomeRows, chunks_of
from generators.usable_rows import check_rows

#: How far a visible energy in the context may be from that of the voxels, relative to it.
_CLOSE = 1e-3


@register
@dataclass(kw_only=True, eq=False)
class ShowerChain(FactorisedGenerator):
    """Showers x (N, V) in GeV: p(energies of layers | c) · p(voxels | these, c), the chain of CaloFlow and its heirs.

    `energies` is a generator of feature vectors. It learns the visible over the incident energy, which column
    `incident` of the context holds, and then the share of one layer after another, in `order`, in what the layers
    before have left: ratios of which those of empty layers are exactly 0, and 1 those of the last one that is not
    empty; "atoms" gives these a probability of their own, with `values` [0, 1] however rare they are. With `visible`, a
    column of the context that holds the energy of the shower itself, such as E_rec in a search, there is one ratio
    less. `shapes` is a generator of showers in layers of known energy, such as "voxel_shapes" or "hierarchical_sticks";
    energies of layers are the last columns of its context. `layers` are [angles, rings], voxels below `threshold` in
    GeV are nothing, and other columns of the context, such as an angle or the kind of a particle, reach both as they
    are.

    If both are densities, so is this: `log_prob` is the probability that just these voxels have energy, times their
    density in 1/GeV. It is −∞ where a layer is empty, or the last, that is no atom of `energies`: a density of ratios
    has no probability for a single one.
    """

    kind: ClassVar[str] = "showers"
    parts: ClassVar[tuple[str, str]] = ("energies", "shapes")
    by_rows: ClassVar[bool] = True

    layers: Sequence[Sequence[int]] = field(default_factory=photons)
    order: Sequence[int] = ()
    threshold: float = 1e-3
    incident: int = 0
    visible: int | None = None
    energies: dict[str, Any] = field(
        default_factory=lambda: {
            "kind": "autoregressive_spline",
            "bijection": layer_bijection(),
        }
    )
    shapes: dict[str, Any] = field(default_factory=lambda: {"kind": "hierarchical_sticks"})

    def __new__(cls, **fields: Any) -> Any:
        """Of two densities, one that has `log_prob`, where `layers` are given; nothing else has it."""
        if cls is ShowerChain and "layers" in fields:
            shapes = _placed(fields.get("shapes", {"kind": "hierarchical_sticks"}), fields["layers"], None)
            energies = fields.get("energies", {"kind": "autoregressive_spline"})
            inner = generator_of(energies, f"energies of {cls.kind}"), generator_of(shapes, f"shapes of {cls.kind}")
            if are_densities(*inner):
                return object.__new__(_WithDensity)
        return object.__new__(cls)

    def __post_init__(self) -> None:
        self.tree = EnergyTree(self.layers, self.order or None)
        self.layers = [list(layer) for layer in self.layers]
        self.order = list(self.order) or list(range(len(self.layers)))
        if len(self.layers) < 2:
            raise HyperparameterError(f"A {self.kind} of one layer has no energies of layers; use its shapes alone.")
        if self.incident < 0 or (self.visible is not None and self.visible < 0):
            raise HyperparameterError(f"incident and visible of {self.kind} are columns of the context, from 0 on.")
        self.shapes = _placed(self.shapes, self.layers, self.threshold)
        super().__post_init__()

    @override
    def arranged(self, first: Any, second: Any) -> tuple[Any, Any]:
        if list(getattr(second, "given", [])) != list(range(-len(self.layers), 0)):
            raise HyperparameterError(
                f"shapes of {self.kind}: '{second.kind}' must be given the energies of {len(self.layers)} layers."
            )
        return first, second

    @override
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        check_rows(x, context, weights)
        self._check_shape(x)
        used, c = weights != 0, np.asarray(context)
        self._check_context(c[used])
        refuse_negative(x, used)
        self._check_visible(x, c, used)

    def _check_shape(self, x: Array) -> None:
        if len(np.shape(x)) != 2 or np.shape(x)[1] != self.tree.voxels:
            raise ShapeError(f"x must be (N, {self.tree.voxels}), the voxels of {self.kind}; it is {np.shape(x)}.")

    def _check_context(self, context: Array) -> None:
        column = self.incident if self.visible is None else self.visible
        if column >= np.shape(context)[1]:
            raise ShapeError(f"{self.kind} needs column {column} of the context, which has {np.shape(context)[1]}.")
        if not (np.asarray(context)[:, column] > 0).all():
            raise NonFiniteInputError(f"context, column {column}: energies must be positive.")

    def _check_visible(self, x: Array, context: Array, used: NDArray[np.bool_]) -> None:
        """Refuse rows `used` whose visible energy in the context is not that of their voxels."""
        if self.visible is None:
            return
        found, due = self._coordinates().energies(x).sum(axis=1)[used], context[used, self.visible]
        wrong = np.abs(found - due) > _CLOSE * (self.threshold + due)
        if wrong.any():
            raise ShapeError(
                f"context, column {self.visible}, should hold the energy of all voxels above the threshold of "
                f"{self.threshold:g} GeV; in {int(wrong.sum())} of {len(found)} rows it does not."
            )

    @override
    def coordinates(self, x: Array, context: Array, weights: NDArray[np.float64]) -> LayersAndShapes:
        return self._coordinates()

    @override
    def restored(self, state: dict[str, Tensor], sizes: tuple[int, ...]) -> LayersAndShapes:
        return self._coordinates()

    def _coordinates(self) -> LayersAndShapes:
        sizes = tuple(self.tree.layer_sizes)
        return LayersAndShapes(sizes, tuple(self.order), self.threshold, self.incident, self.visible)

    def stream(self, context: Array, *, seed: int, size: int = 1000) -> Iterator[tuple[Array, NDArray[np.float32]]]:
        """Context and showers, at most `size` at a time: as much memory for a million as for a thousand."""
        c = self.context(context)
        seeds = np.random.SeedSequence(seed).generate_state(-(-len(c) // size))
        for number, start in enumerate(range(0, len(c), size)):
            rows = c[start : start + size]
            yield rows, self.sample(rows, seed=int(seeds[number]))


@dataclass(frozen=True, eq=False)
class LayersAndShapes(ExactCoordinates):
    """Ratios of the energies of layers, and showers given these energies; see `ShowerChain`."""

    layers: tuple[int, ...]
    order: tuple[int, ...]
    threshold: float
    incident: int
    visible: int | None

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (sum(self.layers),)

    @property
    @override
    def sizes(self) -> tuple[int, ...]:
        return ()

    @override
    def state(self) -> dict[str, Tensor]:
        return {}

    def cut(self, x: Array) -> NDArray[np.float64]:
        """Voxels (N, V) with nothing below the threshold."""
        rows = np.asarray(x, np.float64)
        return np.where(rows >= self.threshold, rows, 0.0)

    def energies(self, x: Array) -> NDArray[np.float64]:
        """Energies of layers (N, L) of showers (N, V), as the layers come."""
        starts, out = np.cumsum([0, *self.layers[:-1]]), np.empty((len(x), len(self.layers)))
        for start, rows in chunks_of(x):
            out[start : start + len(rows)] = np.add.reduceat(self.cut(rows), starts, axis=1)
        return out

    @override
    def first(self, x: Array, context: Array) -> Array:
        energies = self.energies(x)
        left = self._left(energies)
        share = np.divide(energies[:, list(self.order)], left, out=np.zeros_like(left), where=left > 0)[:, :-1]
        if self.visible is not None:
            return share
        return np.column_stack([left[:, 0] / context[:, self.incident], share])

    @override
    def second(self, x: Array, context: Array) -> Second:
        rows: Any = x
        shapes: Any = _Cut(rows, self) if isinstance(rows, SomeRows) else self.cut(x)
        return Second(shapes, np.concatenate([context, self.energies(x)], axis=1))

    @override
    def request(self, first: Array, context: Array, random: torch.Generator) -> Request:
        ratios = np.asarray(first, np.float64)
        if self.visible is None:
            total, share = ratios[:, 0].clip(min=0) * context[:, self.incident], ratios[:, 1:]
        else:
            total, share = context[:, self.visible], ratios
        left, energies = total.copy(), np.zeros((len(total), len(self.order)))
        for place, layer in enumerate(self.order[:-1]):
            energies[:, layer] = left * share[:, place].clip(0, 1)
            # No layer and no rest lies between nothing and the threshold.
            low = energies[:, layer] < self.threshold
            energies[low, layer] = 0
            high = left - energies[:, layer] < self.threshold
            energies[high & ~low, layer] = left[high & ~low]
            left = np.where(high & ~low, 0.0, left - energies[:, layer])
        energies[:, self.order[-1]] = np.where(left >= self.threshold, left, 0.0)
        return _Shapes(np.concatenate([context, energies], axis=1))

    def alone(self, ratios: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which ratios are those of empty layers or the last of a shower, which a density can not hold."""
        found: NDArray[np.bool_] = (ratios == 0) | (ratios == 1)
        if self.visible is None:
            # The whole shower may have all of the incident energy by chance, as it may have any other part.
            found[:, 0] = ratios[:, 0] == 0
        return found

    @override
    def log_det(self, x: Array, context: Array) -> NDArray[np.float64]:
        """Of the ratios that are no atoms: those of layers that hold a part of what is left."""
        energies = self.energies(x)
        left = self._left(energies)
        of_layers = energies[:, list(self.order)]
        part = ((of_layers > 0) & (of_layers < left))[:, :-1]
        # A sum in another order may differ in its last digits from the energy of the last layer that is not empty.
        part &= np.cumsum((of_layers > 0)[:, ::-1], axis=1)[:, ::-1][:, :-1] > 1
        out: NDArray[np.float64] = -np.where(part, np.log(np.where(part, left[:, :-1], 1.0)), 0.0).sum(axis=1)
        if self.visible is not None:
            return out
        total: NDArray[np.float64] = out - np.where(left[:, 0] > 0, np.log(context[:, self.incident]), 0.0)
        return total

    def _left(self, energies: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is left before every layer, in order, (N, L)."""
        left: NDArray[np.float64] = energies[:, list(self.order)][:, ::-1].cumsum(axis=1)[:, ::-1]
        return left


class _Cut:
    """Showers in a file with nothing below the threshold, of which slices are read when they are asked for."""

    dtype = np.dtype(np.float64)

    def __init__(self, rows: SomeRows, coordinates: LayersAndShapes) -> None:
        self._rows, self._coordinates, self.shape = rows, coordinates, rows.shape

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        return self._coordinates.cut(self._rows[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All of them in memory, for a generator of shapes that wants them so."""
        return self._coordinates.cut(np.asarray(self._rows)).astype(dtype or self.dtype, copy=False)


class _Shapes(Request):
    def __init__(self, context: Array) -> None:
        self.context = context

    @override
    def event(self, second: Array) -> Array:
        return second


@dataclass(kw_only=True, eq=False)
class _WithDensity(ShowerChain, FactorisedDensity):
    """What `ShowerChain` is if both parts are densities."""

    @override
    def check_events(self, x: Array, context: Array) -> None:
        check_rows(x, context, np.ones(len(x)), minimum=0)
        self._check_shape(x)
        every = np.ones(len(x), dtype=bool)
        self._check_context(context)
        refuse_negative(x, every)
        self._check_visible(x, np.asarray(context), every)

    @override
    def impossible(self, x: Array, context: Array) -> NDArray[np.bool_]:
        assert isinstance(self.coordinates_, LayersAndShapes)
        bijection = getattr(self.fitted_[0], "bijection_", None)
        if not isinstance(bijection, FittedBijection):
            return np.zeros(len(x), dtype=bool)
        ratios = np.asarray(self.coordinates_.first(x, context), np.float64)
        return _without_atom(bijection, ratios, context, self.coordinates_.alone(ratios))


def _without_atom(
    bijection: FittedBijection, ratios: NDArray[np.float64], context: Array, alone: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Rows (N,) with a ratio that stands `alone` (N, L) and that the bijection takes for any other, so for no atom."""
    out = np.zeros(len(ratios), dtype=bool)
    where = [
        np.flatnonzero(alone[:, column] & (ratios[:, column] == value))
        for column in range(ratios.shape[1])
        for value in (0.0, 1.0)
    ]
    where, columns = [rows for rows in where if len(rows)], [n // 2 for n, rows in enumerate(where) if len(rows)]
    if not where:
        return out
    # Noise moves an atom and nothing else. One row tells it of a value, and only its own column has other noise.
    first = [int(rows[0]) for rows in where]
    x, c = (torch.as_tensor(np.asarray(each, np.float64)[first]) for each in (ratios, context))
    low, high = torch.full_like(x, 0.5), torch.full_like(x, 0.5)
    low[range(len(first)), columns], high[range(len(first)), columns] = 0.25, 0.75
    moved = (bijection.forward(x, c, low)[0] != bijection.forward(x, c, high)[0]).any(dim=1)
    for rows, is_atom in zip(where, moved.tolist(), strict=True):
        out[rows] |= not is_atom
    return out


def _placed(shapes: Any, layers: Sequence[Sequence[int]], threshold: float | None) -> Any:
    """The specification of shapes with the layers of the chain, whose energies are the last columns of its context."""
    if not isinstance(shapes, dict):
        return shapes
    own = {"layers": [list(layer) for layer in layers], "given": list(range(-len(layers), 0))}
    return {**own, **({} if threshold is None else {"threshold": threshold}), **shapes}
