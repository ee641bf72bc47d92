"""What every generator of this package is made of: networks trained by the one loop, and how they are kept."""

from __future__ import annotations

import copy
import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from generators.artifact import fingerprint
from generators.bijections.base import FittedBijection
from generators.conditional_network import after_epoch
from generators.context import ContextMap, as_columns, context_rows
from generators.errors import NonFiniteInputError, NotFittedError, ShapeError
from generators.network_settings import NetworkSettings
from generators.protocols import Array, Monitor
from generators.ragged import Ragged
from generators.registry import create
from generators.sources import (
    KEPT_BYTES,
    EventRows,
    as_rows,
    empty_rows,
    in_memory,
    put_rows,
    refuse_shape,
    rows_within,
)
from generators.training.acceleration import accelerator
from generators.training.batches import TrainingData
from generators.training.containers import RaggedTensor, StoredTensor, joined
from generators.training.loop import train
from generators.training.phases import Phase
from generators.training.rules import Rule
from generators.training.stopping import State
from generators.training.trained import Losses, Trained
from generators.usable_rows import event_weights, relative_weights

#: Sets the seed of the noise of discrete columns apart from that of the training.
NOISE = 0x6E6F697365

S = TypeVar("S", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Events as a network sees them.

    z (N, *event) are the events behind the preprocessing, `beside` (N, E) what the network gets of them beside the
    context. The preprocessing is the fitted `bijection`, and `sizes`, whole numbers by name.
    """

    z: Tensor
    beside: Tensor
    bijection: FittedBijection
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class NetworkGenerator(NetworkSettings, ABC, Generic[S]):
    """Preprocessing, training and kept states of a generator; what its events are is for its subclasses.

    `bijection` is a kind or a specification of kind and hyperparameters. After `fit`: `bijection_`, `states_` (best
    first), `train_losses_`, `validation_losses_`, `best_epochs_`, `data_hash_`; and `losses_` by phase, of which the
    former are those of the first.

    A generator whose network gets of an event more than the context says by `beside` how many columns that are, and
    by `sizes` which whole numbers, found by `prepared`, belong to its preprocessing; they are in `sizes_`.
    """

    kind: ClassVar[str]
    sizes: ClassVar[tuple[str, ...]] = ()
    #: Columns of what the network gets beside the context. Without a type, or it would be a hyperparameter.
    beside = 0

    #: Without a type, or it would be a hyperparameter.
    sizes_ = MappingProxyType[str, int]({})
    #: Columns of the context that may be zero, whatever they are in training. Without a type, or it would be a field.
    linear = cast("tuple[int, ...]", ())

    @abstractmethod
    def build(self, shape: tuple[int, ...], context: int) -> S:
        """An untrained network for events of this shape, such as (D,) or (P, F), and `context` columns."""

    @property
    @abstractmethod
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""

    @abstractmethod
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        """Refuse events, context (N, C) and weights (N,) that can not be learned from, by name."""

    @abstractmethod
    def prepared(self, x: Tensor, context: Tensor, weights: Tensor, *, seed: int) -> Prepared:
        """Fit the preprocessing to events x (N, *event), and apply it; nothing of the generator may change."""

    @abstractmethod
    def mapped(self, x: Tensor, context: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
        """Apply the fitted preprocessing to events x (N, *event): z (N, *event) and beside (N, E), as in `Prepared`.

        So it is done by parts where the events are too many for `prepared`, which then sees only some of them.
        """

    @abstractmethod
    def one_mapped_back(self, row: Tensor) -> Tensor:
        """What the restored preprocessing makes of one row (1, F) of what a network draws."""

    @abstractmethod
    def drawn(self, network: S, raw: Tensor, c: Tensor, generator: torch.Generator) -> Tensor:
        """Events (N, *event) of one network; the context as it came (N, C) and as networks see it."""

    @abstractmethod
    def rows_at_once(self, network: S) -> int:
        """Events that go through a network at once when sampling; bounds the memory whatever is asked for."""

    @abstractmethod
    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """States of the network of `build` from data behind the bijection; `fit` calls it after its checks.

        `OnePhase` has it for a network with a single loss. Others can use `untrained` and `trained`.
        """

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
        """Learn from x (N, *event), context (N, C) and optional event weights (N,), which may be negative.

        A context (N,) is one of a single column, here and wherever one is asked for.

        Rows of weight zero are left out. x may be a memory map, a data set of h5py or `ParquetRows`, of which only
        parts are in memory; clouds may be `Ragged`.

        Raises
        ------
        NonFiniteInputError, ShapeError, TooFewRowsError, ConstantFeatureError
            Before anything changes.
        DivergedError, CheckpointError
            From the training; what was fitted before stays.
        """
        return self.fit_by(
            lambda learner, data: learner.learn(data, seed=seed, monitor=monitor, checkpoint=checkpoint),
            x,
            context,
            weights=weights,
            seed=seed,
        )

    def fit_by(
        self,
        learn: Callable[[Self, TrainingData], Trained],
        x: Array,
        context: Array,
        *,
        weights: Array | None = None,
        seed: int,
    ) -> Self:
        """As `fit`, by another objective: `learn` gets a copy with the fitted preprocessing, and the data behind it."""
        w, context = event_weights(x, weights), as_columns(context)
        self.check(x, context, w)
        w = relative_weights(w)
        used = w != 0
        events = EventRows(as_rows(x), np.flatnonzero(used))
        raw, w_t = (torch.as_tensor(np.asarray(np.asarray(a)[used], np.float64)) for a in (context, w))
        context_map, data_hash = ContextMap.of(raw, self.linear), fingerprint(x, context, weights)
        learner = copy.copy(self)
        data, ready = learner._prepared_data(events, raw, w_t, context_map(raw), seed, data_hash)
        trained = learn(learner, data)
        self._take_preprocessing(*ready)
        self.features_, self.context_map_, self.seed_ = events.shape[-1], context_map, seed
        self.data_hash_ = data_hash
        self.train_losses_, self.validation_losses_ = trained.train_losses, trained.validation_losses
        self.best_epochs_, self.losses_ = trained.best_epochs, trained.losses
        self._take(trained.states)
        return self

    def sample(self, context: Array, *, seed: int, out: Any = None) -> NDArray[np.float32]:
        """Draw one event per context row: (N, C), or (N,) of a single column, -> (N, *event).

        They are written to `out` if it is given, such as an array that is mapped to a file or a data set of h5py.
        """
        raw, c = self._context(context)
        made = empty_rows(len(c), self.event_shape) if out is None else refuse_shape(out, (len(c), *self.event_shape))
        generator = torch.Generator().manual_seed(seed)
        # A random order shares the masses fairly among the states and leaves no block structure behind.
        order = torch.randperm(len(c), generator=generator)
        with torch.no_grad():
            for rows, network in zip(torch.tensor_split(order, len(self.networks_)), self.networks_, strict=True):
                for chunk in torch.split(rows, self.rows_at_once(network)):
                    put_rows(made, chunk, self.drawn(network, raw[chunk], c[chunk], generator).float())
        return made

    def _prepared_data(
        self, events: EventRows, raw: Tensor, weights: Tensor, c: Tensor, seed: int, data_hash: str
    ) -> tuple[TrainingData, tuple[FittedBijection, Mapping[str, int]]]:
        """Training data in single precision behind the preprocessing, and what this one is and its sizes."""
        some = events.to_fit(seed)
        chosen = slice(None) if some is None else some
        ready = self.prepared(events.tensor(chosen), raw[chosen], weights[chosen], seed=seed)
        fitted = ready.bijection, ready.sizes
        self._take_preprocessing(*fitted)
        if some is None and not isinstance(events.x, Ragged):
            c = torch.cat([c, ready.beside], dim=1)
            return TrainingData(ready.z.float(), c.float(), weights.float()), fitted
        beside = ready.beside.new_zeros(len(events), ready.beside.shape[1])
        shape = (len(events), *ready.z.shape[1:])
        del ready
        if isinstance(events.x, Ragged):
            x, beside = self._packed(events, raw, seed, shape[1])
            return TrainingData(x, torch.cat([c, beside], dim=1).float(), weights.float()), fitted
        kept = in_memory(events.x) or 4 * math.prod(shape) <= KEPT_BYTES
        z = torch.empty(shape if kept else (0,), dtype=torch.float32)
        for part in events.chunks() if kept or beside.shape[1] else ():
            rows, beside[part] = self.mapped(events.tensor(part), raw[part], seed=seed + part.start)
            if kept:
                z[part] = rows.float()
        read = StoredTensor(self._reader(events, raw, seed), shape, data_hash)
        return TrainingData(z if kept else read, torch.cat([c, beside], dim=1).float(), weights.float()), fitted

    def _packed(self, events: EventRows, raw: Tensor, seed: int, longest: int) -> tuple[RaggedTensor, Tensor]:
        """Events of different lengths, the last number beside each of which is its length, and what is beside them."""
        values: list[Tensor] = []
        besides: list[Tensor] = []
        for part in events.chunks():
            rows, beside = self.mapped(events.tensor(part), raw[part], seed=seed + part.start)
            besides.append(beside)
            values.append(rows.float()[torch.arange(rows.shape[1]) < beside[:, -1:]])
        beside = torch.cat(besides)
        offsets = torch.cat([torch.zeros(1, dtype=torch.long), beside[:, -1].long().cumsum(0)])
        return RaggedTensor(joined(values), offsets, longest), beside

    def _reader(self, events: EventRows, raw: Tensor, seed: int) -> Callable[[NDArray[np.int64]], Tensor]:
        """What reads rows at ascending places from a file and prepares them."""

        def read(places: NDArray[np.int64]) -> Tensor:
            step = rows_within(events.numbers)
            parts = [places[start : start + step] for start in range(0, len(places), step)]
            made = [self.mapped(events.tensor(part), raw[part], seed=seed + int(part[0]))[0].float() for part in parts]
            return torch.cat(made)

        return read

    def preprocessing(self) -> dict[str, Tensor]:
        """What was fitted beside networks and context, as named tensors."""
        bijection = {f"bijection.{key}": value for key, value in self.bijection_.state_dict().items()}
        return bijection | {name: torch.tensor(self.sizes_[name]) for name in self.sizes}

    def restore_preprocessing(self, state: dict[str, Tensor]) -> int:
        """Take what `preprocessing` gave; the number of features is returned."""
        bijection = self.unfitted_bijection()
        bijection.load_state_dict(under("bijection.", state))
        self._take_preprocessing(bijection, {name: int(state[name]) for name in self.sizes})
        # Tensors of another shape would be found out at first use only.
        row = torch.zeros(1, self.bijection_.features, dtype=torch.float64)
        mapped = self.one_mapped_back(row)
        if mapped.shape != row.shape:
            raise ShapeError(f"The bijection makes {tuple(mapped.shape)} of {tuple(row.shape)}.")
        return self.bijection_.features

    def unfitted_bijection(self) -> FittedBijection:
        """The bijection of `bijection`, before it has seen anything."""
        specification = {"kind": self.bijection} if isinstance(self.bijection, str) else self.bijection
        bijection: FittedBijection = create(specification)
        return bijection

    def untrained(self, data: TrainingData, *, seed: int) -> S:
        """The network of `build` for these data, with initial weights drawn from the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build(tuple(data.x.shape[1:]), data.context.shape[1] - self.beside)

    def trained(
        self,
        model: nn.Module,
        phases: Sequence[Phase],
        data: TrainingData,
        *,
        seed: int,
        monitor: Monitor | None = None,
        checkpoint: Path | None = None,
        rule: Rule | None = None,
        keep: nn.Module | None = None,
        averaged: Sequence[nn.Module] | None = None,
    ) -> Trained:
        """Train phases of a model with the settings of `training`; see `train`."""
        return train(
            model,
            phases,
            data,
            self.training,
            seed=seed,
            rule=rule,
            keep=keep,
            averaged=averaged,
            monitor=monitor,
            checkpoint=checkpoint,
            description=self.hyperparameters(),
            after_epoch=after_epoch,
        )

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        arguments = {each.name for each in dataclasses.fields(self) if each.init}
        return {key: value for key, value in dataclasses.asdict(self).items() if key in arguments}

    def state(self) -> dict[str, Tensor]:
        """Everything that was fitted, as named tensors."""
        self._require_fit()
        out = self.preprocessing()
        for index, state in enumerate(self.states_):
            out |= {f"network.{index}.{key}": value for key, value in state.items()}
        return out | {
            "context.logarithmic": self.context_map_.logarithmic,
            "context.shift": self.context_map_.shift,
            "context.scale": self.context_map_.scale,
            "losses.train": torch.tensor(self.train_losses_, dtype=torch.float64),
            "losses.validation": torch.tensor(self.validation_losses_, dtype=torch.float64),
            **_losses_to_state(self.losses_),
            "losses.best_epochs": torch.tensor(self.best_epochs_),
            "seed": torch.tensor(self.seed_),
        }

    def restore(self, state: dict[str, Tensor]) -> Self:
        """Take what `state` gave; the inverse of it."""
        self.context_map_ = ContextMap(*(state[f"context.{name}"] for name in ("logarithmic", "shift", "scale")))
        self.features_ = self.restore_preprocessing(state)
        self.train_losses_ = state["losses.train"].tolist()
        self.validation_losses_ = state["losses.validation"].tolist()
        self.best_epochs_ = state["losses.best_epochs"].tolist()
        alone = {self.kind: Losses(self.train_losses_, self.validation_losses_)}
        self.losses_ = _losses_from_state(state) or alone
        self.seed_ = int(state["seed"])
        networks = under("network.", state)
        count = 1 + max(int(key.split(".")[0]) for key in networks)
        self._take([under(f"{index}.", networks) for index in range(count)])
        return self

    def _take_preprocessing(self, bijection: FittedBijection, sizes: Mapping[str, int]) -> None:
        self.bijection_, self.sizes_ = bijection, MappingProxyType(dict(sizes))

    def _take(self, states: list[State]) -> None:
        """Build the networks of all kept states."""
        self.states_ = states
        self.networks_: list[S] = []
        for state in states:
            with torch.random.fork_rng(devices=[]):
                network = self.build(self.event_shape, len(self.context_map_.shift))
            network.load_state_dict(state)
            self.networks_.append(network.eval().requires_grad_(False).to(accelerator()))

    def _context(self, context: Array) -> tuple[Tensor, Tensor]:
        """The context as it came, in double precision, and as the networks see it."""
        self._require_fit()
        c = context_rows(context, len(self.context_map_.shift))
        if not np.isfinite(c).all():
            raise NonFiniteInputError(f"context: {int((~np.isfinite(c)).sum())} values are NaN or infinite.")
        raw = torch.as_tensor(c)
        return raw, self.context_map_(raw).float()

    def _require_fit(self) -> None:
        if not hasattr(self, "networks_"):
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit or load a saved one.")


def under(prefix: str, state: dict[str, Tensor]) -> State:
    """The part of a state whose names begin with the prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _losses_to_state(losses: Mapping[str, Losses]) -> dict[str, Tensor]:
    """Losses as named tensors; of a single phase there is nothing to add."""
    if len(losses) == 1:
        return {}
    return {
        f"losses.of.{place}.{name}.{part}": torch.tensor(values, dtype=torch.float64)
        for place, (name, both) in enumerate(losses.items())
        for part, values in (("train", both.train), ("validation", both.validation))
    }


def _losses_from_state(state: dict[str, Tensor]) -> dict[str, Losses]:
    parts = {tuple(key.split(".", 1)): values.tolist() for key, values in under("losses.of.", state).items()}
    found: dict[str, dict[str, list[float]]] = {}
    for (_, rest), values in sorted(parts.items(), key=lambda part: int(part[0][0])):
        name, part = rest.rsplit(".", 1)
        found.setdefault(name, {})[part] = values
    return {name: Losses(**both) for name, both in found.items()}
