"""The base of generators made of two: p(a | c) · p(b | a, c), each a generator of its own."""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.artifact import fingerprint
from generators.base import under
from generators.context import as_columns, context_rows
from generators.errors import HyperparameterError, NotFittedError
from generators.factorised.coordinates import Coordinates, ExactCoordinates, gathered, repeated
from generators.parameters import Parameters
from generators.protocols import Array, ConditionalGenerator, DensityGenerator, Monitor
from generators.ragged import Ragged
from generators.registry import create
from generators.sources import SomeRows, as_rows, in_memory, refuse_shape
from generators.training.sequence import Stage, TrainingSequence
from generators.training.trained import identity_of
from generators.usable_rows import event_weights, relative_weights

#: Prefix of the tensors of the coordinates in a state.
_COORDINATES = "features."


@dataclass(kw_only=True, eq=False)
class FactorisedGenerator(Parameters, ABC):
    """p(a | c) · p(b | a, c): what the first generator draws enters the context of the second.

    `parts` are the names of the two fields that hold the specifications of generators, the first first. A subclass says
    with `coordinates` how an event is taken apart, such as a shower into the energies of its layers and their shapes,
    or jets into four-momenta and constituents. A chain of more parts has a generator of this kind for its second.
    Coordinates that are columns of vectors take `by_rows` what gives slices of rows of a file, see `SomeRows`.

    After `fit`: `coordinates_`, and the fitted generators by `part(name)`.
    """

    kind: ClassVar[str]
    parts: ClassVar[tuple[str, str]] = ("first", "second")
    by_rows: ClassVar[bool] = False

    def __post_init__(self) -> None:
        inner = tuple(generator_of(getattr(self, name), f"{name} of {self.kind}") for name in self.parts)
        self.unfitted: tuple[Any, Any] = self.arranged(*inner)
        for name, generator in zip(self.parts, self.unfitted, strict=True):
            setattr(self, name, {"kind": generator.kind, **generator.hyperparameters()})

    @abstractmethod
    def arranged(self, first: Any, second: Any) -> tuple[Any, Any]:
        """Both unfitted generators with what this one knows better than their specification, or an error."""

    @abstractmethod
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        """Refuse events x (N, *event), context (N, C) and weights (N,) that can not be learned from, by name."""

    @abstractmethod
    def coordinates(self, x: Array, context: Array, weights: NDArray[np.float64]) -> Coordinates:
        """The coordinates fitted to training events, none of weight zero; nothing of the generator may change."""

    @abstractmethod
    def restored(self, state: dict[str, Tensor], sizes: tuple[int, ...]) -> Coordinates:
        """The coordinates of which `state` and `sizes` were stored."""

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
        """Learn from x (N, *event), context (N, C) and optional event weights (N,).

        `monitor` counts both trainings as equally long; either is continued from `checkpoint`, see `TrainingSequence`.

        Raises
        ------
        NonFiniteInputError, ShapeError, TooFewRowsError
            Before anything changes; and what the two generators raise.
        """
        w, context = event_weights(x, weights), as_columns(context)
        self.check(x, context, w)
        data_hash = fingerprint(x, context, weights)
        w = relative_weights(w)
        used = w != 0
        raw, w = np.asarray(np.asarray(context)[used], np.float64), w[used]
        events = self._events(x, used)
        coordinates = self.coordinates(events, raw, w)
        identity = identity_of([self.hyperparameters(), seed, data_hash])
        sequence = TrainingSequence(self.parts, identity=identity, monitor=monitor, checkpoint=checkpoint)
        unfitted, seeds = copy.deepcopy(self.unfitted), _seeds(seed, 2)
        a = coordinates.first(events, raw)
        first = sequence.run(_stage(self.parts[0], unfitted[0], a, raw, w, seeds[0]))
        del a
        b = coordinates.second(events, raw)
        second = sequence.run(_stage(self.parts[1], unfitted[1], b.x, b.context, repeated(w, len(b.x)), seeds[1]))
        self.coordinates_, self.fitted_ = coordinates, (first, second)
        self.seed_, self.data_hash_, self.context_columns_ = seed, data_hash, raw.shape[1]
        return self

    def sample(self, context: Array, *, seed: int, out: Any = None) -> NDArray[np.float32]:
        """Draw one event per context row: (N, C) -> (N, *event); they are written to `out` if it is given."""
        c = self.context(context)
        made = None if out is None else refuse_shape(out, (len(c), *self.event_shape))
        first, second, third = _seeds(seed, 3)
        random = torch.Generator().manual_seed(third)
        request = self.coordinates_.request(self.fitted_[0].sample(c, seed=first), c, random)
        drawn = self.fitted_[1].sample(request.context, seed=second)
        events = np.asarray(request.event(drawn), np.float32)
        if made is None:
            return events
        made[:] = events
        return cast(NDArray[np.float32], made)

    def _events(self, x: Array, used: NDArray[np.bool_]) -> Any:
        """The events that are learned from, which stay in their file if they can."""
        source = as_rows(x)
        if self.by_rows and not in_memory(source):
            return SomeRows.of(source, np.flatnonzero(used))
        return np.asarray(x if in_memory(source) else source[:])[used]

    def part(self, name: str) -> Any:
        """One of both fitted generators."""
        self.require_fit()
        if name not in self.parts:
            raise HyperparameterError(f"'{name}' is no part of {self.kind}; there are {' and '.join(self.parts)}.")
        return self.fitted_[self.parts.index(name)]

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        self.require_fit()
        return self.coordinates_.event_shape

    @property
    def train_losses_(self) -> list[float]:
        """Those of the second part, which takes most of the training."""
        return list(getattr(self.fitted_[1], "train_losses_", []))

    @property
    def validation_losses_(self) -> list[float]:
        """Those of the second part."""
        return list(getattr(self.fitted_[1], "validation_losses_", []))

    @property
    def best_epochs_(self) -> list[int]:
        """Those of the second part."""
        return list(getattr(self.fitted_[1], "best_epochs_", []))

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        return copy.deepcopy({field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    def state(self) -> dict[str, Tensor]:
        """Everything that was fitted, as named tensors."""
        self.require_fit()
        out = {f"{_COORDINATES}{key}": value for key, value in self.coordinates_.state().items()}
        for name, generator in zip(self.parts, self.fitted_, strict=True):
            out |= {f"{name}.{key}": value for key, value in generator.state().items()}
        return {**out, "shape": torch.tensor([*self.coordinates_.sizes, self.context_columns_, self.seed_])}

    def restore(self, state: dict[str, Tensor]) -> Self:
        """Take what `state` gave; the inverse of it."""
        *sizes, self.context_columns_, self.seed_ = state["shape"].tolist()
        self.coordinates_ = self.restored(under(_COORDINATES, state), tuple(sizes))
        first, second = (
            generator.restore(under(f"{name}.", state))
            for name, generator in zip(self.parts, copy.deepcopy(self.unfitted), strict=True)
        )
        self.fitted_ = (first, second)
        return self

    def context(self, context: Array) -> NDArray[np.float64]:
        """The context (N, C) in double precision, of as many columns as in the training."""
        self.require_fit()
        return context_rows(context, self.context_columns_)

    def require_fit(self) -> None:
        """Raise NotFittedError before `fit`."""
        if not hasattr(self, "fitted_"):
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit or load a saved one.")


@dataclass(kw_only=True, eq=False)
class FactorisedDensity(FactorisedGenerator):
    """Two densities as one, in `ExactCoordinates`."""

    @abstractmethod
    def check_events(self, x: Array, context: Array) -> None:
        """Refuse events whose density can not be told after a fit, by name; none at all are fine."""

    @abstractmethod
    def impossible(self, x: Array, context: Array) -> NDArray[np.bool_]:
        """Which events (N,) have no density, though their coordinates have one: values that only atoms can have."""

    def log_prob(self, x: Array, context: Array) -> NDArray[np.float64]:
        """Log p(x | c) = log p(a | c) + log p(b | a, c) + log|det|, (N,), natural, per unit of x (N, *event)."""
        c = self.context(context)
        self.check_events(x, c)
        coordinates = self.coordinates_
        assert isinstance(coordinates, ExactCoordinates)
        events = np.asarray(x)
        first = self.fitted_[0].log_prob(coordinates.first(events, c), c)
        second = coordinates.second(events, c)
        rest = gathered(self.fitted_[1].log_prob(second.x, second.context), len(events))
        total: NDArray[np.float64] = np.asarray(first, np.float64) + rest + coordinates.log_det(events, c)
        total[self.impossible(events, c)] = -np.inf
        return total


def generator_of(specification: Any, place: str) -> Any:
    """An unfitted generator of a specification, or of one that is made already; `place` says in errors where."""
    generator = create(specification) if isinstance(specification, Mapping) else specification
    if not isinstance(generator, ConditionalGenerator):
        raise HyperparameterError(f"{place}: '{specification}' is no generator.")
    return generator


def are_densities(*generators: Any) -> bool:
    """Whether all of them know their density."""
    return all(isinstance(generator, DensityGenerator) for generator in generators)


def _seeds(seed: int, count: int) -> list[int]:
    return [int(s.generate_state(1)[0]) for s in np.random.SeedSequence(seed).spawn(count)]


def _stage(name: str, generator: Any, x: Array | Ragged, context: Array, weights: Array, seed: int) -> Stage[Any]:
    """The training of one of both generators."""

    def fit(monitor: Monitor | None, checkpoint: Path | None) -> Any:
        return generator.fit(x, context, weights=weights, seed=seed, monitor=monitor, checkpoint=checkpoint)

    return Stage(
        name,
        fit,
        to_tree=lambda fitted: fitted.state(),
        from_tree=generator.restore,
        length=lambda fitted: len(getattr(fitted, "train_losses_", ())),
    )
