"""Shapes of showers in layers of known energy, as points: first their number by layer, and then the points."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from generators.errors import HyperparameterError, ShapeError
from generators.factorised.base import FactorisedGenerator
from generators.factorised.coordinates import Coordinates, Request, Second
from generators.jets.base import CloudGenerator
from generators.protocols import Array, Monitor
from generators.ragged import Ragged
from generators.registry import register
from generators.showers.energy_tree import EnergyTree
from generators.showers.given_energies import check_given, told
from generators.showers.presets import photons
from generators.showers.voxel_points import ACROSS, VoxelPoints

#: Seed of the places of points in their voxels while learning.
_PLACES = 71

#: What points can be told beside their number.
_TELLS = ("visible", "energies", "counts", "centres", "radii")


def numbers_by_layer() -> dict[str, Any]:
    """A flow of the numbers of points by layer."""
    steps = [{"kind": "dequantise"}, {"kind": "atoms"}, {"kind": "quantile_normal"}]
    training = {"steps": 1000, "batch_size": 512, "learning_rate": 4e-3}
    bijection = {"kind": "chain", "bijections": steps}
    return {"kind": "coupling_spline", "blocks": 4, "hidden": 64, "bijection": bijection, "training": training}


@register
@dataclass(kw_only=True, eq=False)
class PointShapes(FactorisedGenerator):
    """Showers x (N, V) in GeV given the energies of their layers, as clouds: p(counts | c) · p(points | counts, c).

    `counts`, a generator of feature vectors, learns how many voxels of every layer are above the threshold; `points`
    is a generator of clouds. A point has its place across the axis as `across` says: "plane", x and y in widths of a
    ring, periodic in the angle; "ring", the radius alone, with angles all alike; "grid", row and column of rectangular
    layers. Beside, it has the energy above the threshold, over the mean of that in its layer, and its depth in layers.
    `tells` are what the points know beside the context and their number: of "visible", the energy of the shower, and
    "energies", "counts", "centres" and "radii" of layers, of which `counts` learns the last two as well: means over the
    energy of the places of points and of their distances from the axis. Points that do not see each other have nothing
    else in common.

    What is drawn is calibrated much as in CaloClouds (2305.04847): each layer gets as many points as were drawn for it,
    which share its energy; no voxel is taken twice, see `VoxelPoints`. There is no density. `layers`, `given`
    and `incident` are as in "voxel_shapes".
    """

    kind: ClassVar[str] = "point_shapes"
    parts: ClassVar[tuple[str, str]] = ("counts", "points")

    layers: Sequence[Sequence[int]] = field(default_factory=photons)
    given: Sequence[int] = ()
    incident: int | None = 0
    threshold: float = 1e-3
    across: str = "plane"
    tells: Sequence[str] = ("energies", "counts")
    counts: dict[str, Any] = field(default_factory=numbers_by_layer)
    points: dict[str, Any] = field(default_factory=lambda: {"kind": "calo_clouds_2"})

    def __post_init__(self) -> None:
        tree = EnergyTree(self.layers, None)
        self.layers = [list(layer) for layer in self.layers]
        self.given = list(self.given) or list(range(-len(self.layers), 0))
        self.tells = list(self.tells)
        if len(self.given) != len(self.layers):
            raise HyperparameterError(
                f"given = {self.given} of {self.kind} must name one column of the context for each of "
                f"{len(self.layers)} layers."
            )
        if self.across not in ACROSS:
            raise HyperparameterError(f"across '{self.across}' of {self.kind} is not one of {', '.join(ACROSS)}.")
        wrong = [name for name in self.tells if name not in _TELLS]
        if wrong:
            raise HyperparameterError(f"tells of {self.kind}: {wrong} are not among {', '.join(_TELLS)}.")
        if not 0 < self.threshold < float("inf"):
            raise HyperparameterError(f"threshold = {self.threshold} of {self.kind} must be positive, in GeV.")
        self.voxels = VoxelPoints(self.layers, ACROSS[self.across], self.threshold)
        assert int(self.voxels.offsets[-1]) == sum(tree.layer_sizes)
        super().__post_init__()

    @override
    def arranged(self, first: Any, second: Any) -> tuple[Any, Any]:
        if not isinstance(second, CloudGenerator):
            raise HyperparameterError(f"points of {self.kind}: '{second.kind}' is no generator of clouds.")
        points = dataclasses.replace(second, multiplicity=-1, size_column=self.voxels.size_column)
        points.linear = self._coordinates().linear
        return ToldEnergies(first, list(self.given), self.incident), points

    @override
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        check_given(
            x,
            context,
            weights,
            kind=self.kind,
            voxels=int(self.voxels.offsets[-1]),
            given=self.given,
            incident=self.incident,
            threshold=self.threshold,
            energies=self.voxels.energies,
        )
        if not (np.asarray(x)[weights != 0] >= self.threshold).any():
            raise ShapeError(f"x: no voxel is above the threshold of {self.threshold:g} GeV, so there are no points.")

    @override
    def coordinates(self, x: Array, context: Array, weights: NDArray[np.float64]) -> Coordinates:
        return self._coordinates()

    @override
    def restored(self, state: dict[str, Tensor], sizes: tuple[int, ...]) -> Coordinates:
        return self._coordinates()

    def _coordinates(self) -> CountsAndPoints:
        return CountsAndPoints(self.voxels, tuple(self.given), self.incident, tuple(self.tells))


@dataclass(frozen=True, eq=False)
class CountsAndPoints(Coordinates):
    """Numbers of points by layer, and the points given these; see `PointShapes`."""

    voxels: VoxelPoints
    given: tuple[int, ...]
    incident: int | None
    tells: tuple[str, ...]

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (int(self.voxels.offsets[-1]),)

    @property
    @override
    def sizes(self) -> tuple[int, ...]:
        return ()

    @override
    def state(self) -> dict[str, Tensor]:
        return {}

    @override
    def first(self, x: Array, context: Array) -> Array:
        rows = np.asarray(x, np.float64)
        return np.column_stack([self.voxels.counts(rows), self._places(*self._points(rows))])

    @override
    def second(self, x: Array, context: Array) -> Second:
        rows = np.asarray(x, np.float64)
        values, offsets = self._points(rows)
        known = self.known(context, self.voxels.counts(rows), self._places(values, offsets))
        return Second(Ragged(values, offsets), known)

    @property
    def linear(self) -> tuple[int, ...]:
        """Columns of the context of the points that may be drawn as zero or below, whatever they are in training.

        An empty shower is one even where none was seen, and a density of places has tails.
        """
        layers = len(self.given)
        behind = 1 + sum({"visible": 1, "energies": layers, "counts": layers}.get(name, 0) for name in self.tells)
        places = self._place_bounds().shape[1]
        return (*range(-behind - places, -behind), -1)

    def _points(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The same ones of the same showers."""
        return self.voxels.points(x, np.random.default_rng(_PLACES))

    def _places(self, points: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
        """What of showers points are told, and nothing else says: (N, K)."""
        told = {"centres": self.voxels.centres, "radii": self.voxels.radii}
        parts = [told[name](points, offsets).reshape(len(offsets) - 1, -1) for name in self.tells if name in told]
        return np.concatenate([np.empty((len(offsets) - 1, 0)), *parts], axis=1)

    def _place_bounds(self) -> NDArray[np.float64]:
        """Least and greatest of the columns of `_places`, (2, K)."""
        known = {"centres": self.voxels.centre_bounds, "radii": self.voxels.radius_bounds}
        parts = [known[name].reshape(2, -1) for name in self.tells if name in known]
        return np.concatenate([np.empty((2, 0)), *parts], axis=1)

    @override
    def request(self, first: Array, context: Array, random: torch.Generator) -> Request:
        energies = np.asarray(context, np.float64)[:, list(self.given)]
        drawn, layers = np.asarray(first, np.float64), len(self.given)
        counts = self.voxels.possible(drawn[:, :layers], energies)
        places = np.clip(np.nan_to_num(drawn[:, layers:]), *self._place_bounds())
        seed = int(torch.randint(2**62, (1,), generator=random))
        return _Points(self.voxels, self.known(context, counts, places), counts, energies, seed)

    def known(self, context: Array, counts: NDArray[np.int64], places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Context of the points, whose last column is their number."""
        c = torch.as_tensor(np.asarray(context, np.float64)).clone()
        energies = c[:, list(self.given)]
        if self.incident is not None:
            c[:, self.incident] = told(c[:, self.incident])
        mine = set(np.arange(c.shape[1])[list(self.given)].tolist())
        parts = [c[:, [column for column in range(c.shape[1]) if column not in mine]]]
        known = {
            "visible": told(energies.sum(dim=1, keepdim=True)),
            "energies": told(energies),
            # Negative, lest a layer that was never empty must not be.
            "counts": -1 - torch.as_tensor(counts).double().log1p(),
        }
        parts += [torch.as_tensor(places), *(known[name] for name in self.tells if name in known)]
        return torch.cat([*parts, torch.as_tensor(counts).sum(dim=1, keepdim=True).double()], dim=1).numpy()


class _Points(Request):
    def __init__(
        self, voxels: VoxelPoints, context: Array, counts: NDArray[np.int64], energies: NDArray[np.float64], seed: int
    ) -> None:
        self.voxels, self.context, self.counts, self.energies, self.seed = voxels, context, counts, energies, seed

    @override
    def event(self, second: Array) -> Array:
        total = self.counts.sum(axis=1)
        clouds = np.asarray(second, np.float64)
        missing = int(total.max(initial=0)) - clouds.shape[1]
        if missing > 0:
            # More than in any shower of the training: the last ones are there several times, and move apart.
            clouds = np.pad(clouds, ((0, 0), (0, missing), (0, 0)), mode="edge")
        present = np.arange(clouds.shape[1]) < total[:, None]
        rng, shower = np.random.default_rng(self.seed), np.repeat(np.arange(len(total)), total)
        # Clouds come by falling energy, and the first points of a voxel keep it: these shall not be the strongest.
        mixed = np.lexsort((rng.random(len(shower)), shower))
        return self.voxels.calibrated(clouds[present][mixed], shower, self.counts, self.energies, rng)


@dataclass(eq=False)
class ToldEnergies:
    """A generator that gets the columns `given` and `incident` of its context by their logarithms."""

    inner: Any
    given: list[int]
    incident: int | None

    @property
    def kind(self) -> str:
        """That of the generator."""
        return str(self.inner.kind)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """That of the generator."""
        return tuple(self.inner.event_shape)

    @property
    def train_losses_(self) -> list[float]:
        """Those of the generator."""
        return list(getattr(self.inner, "train_losses_", []))

    def fit(
        self,
        x: Array,
        context: Array,
        *,
        weights: Array | None = None,
        seed: int,
        monitor: Monitor | None = None,
        checkpoint: Path | None = None,
    ) -> Self:
        """Learn from x (N, D) and context (N, C) in GeV."""
        c = self.told(context)
        self.inner.fit(x, c, weights=weights, seed=seed, monitor=monitor, checkpoint=checkpoint)
        return self

    def sample(self, context: Array, *, seed: int) -> NDArray[np.float32]:
        """One row per context row."""
        drawn: NDArray[np.float32] = self.inner.sample(self.told(context), seed=seed)
        return drawn

    def told(self, context: Array) -> NDArray[np.float64]:
        """The context as the generator gets it, (N, C)."""
        c = torch.as_tensor(np.asarray(context, np.float64)).clone()
        columns = self.given if self.incident is None else [*self.given, self.incident]
        c[:, columns] = told(c[:, columns])
        return c.numpy()

    def hyperparameters(self) -> dict[str, Any]:
        """Those of the generator."""
        return dict(self.inner.hyperparameters())

    def state(self) -> dict[str, Tensor]:
        """That of the generator."""
        return dict(self.inner.state())

    def restore(self, state: dict[str, Tensor]) -> Self:
        """The inverse of `state`."""
        self.inner.restore(state)
        return self
