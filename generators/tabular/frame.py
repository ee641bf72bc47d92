"""The frame of all generators of feature vectors: a model is a file that fills one hole, `build`."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from generators.artifact import fingerprint
from generators.bijections.frame import FittedBijection, uniform
from generators.bijections.noise import lattice
from generators.errors import NonFiniteInputError, NotFittedError, ShapeError, TooFewEventsError
from generators.protocols import Array, Monitor
from generators.registry import create
from generators.tabular.context import ContextMap
from generators.training.acceleration import accelerator
from generators.training.batches import TrainingData
from generators.training.loop import Phase, Trained, train
from generators.training.settings import TrainingSettings
from generators.training.stopping import State

#: Rows that go through a network at once when sampling; bounds the memory whatever is asked for.
CHUNK = 1 << 15

_MINIMUM_EVENTS = 50

#: Points that stand for the noise of discrete columns in a density.
_NOISE_POINTS = 64

_NOISE = 0x6E6F697365


class ConditionalSampler(nn.Module, ABC):
    """A network with a loss and a sampler in the space behind the bijection.

    z (N, D) has about zero mean and unit variance, c (N, C) lies in [−1, 1] over the training range. A sample is a
    function of the context and of standard normal noise, which comes from outside: so it is the same on every device,
    and can be exported to programs that have other random numbers. A model fills `transport`, or `draw` if it needs
    other random numbers, which can not be exported. A loss whose target is noisy anyway can say by
    `tolerates_bfloat16` that it may be computed in that precision.
    """

    tolerates_bfloat16: ClassVar[bool] = False

    features: int

    @abstractmethod
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,)."""

    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        """What becomes of standard normal noise (N, *noise_shape), in double precision, at c: z (N, D)."""
        raise NotImplementedError(f"{type(self).__name__} fills neither transport nor draw.")

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise of one event."""
        return (self.features,)

    def draw(self, c: Tensor, generator: torch.Generator) -> Tensor:
        """One z per row of c, (N, D)."""
        noise = torch.randn((c.shape[0], *self.noise_shape), generator=generator, dtype=torch.float64)
        return self.transport(noise.to(c.device), c)

    def after_epoch(self, z: Tensor, c: Tensor) -> None:
        """Set statistics from the whole training sample, (N, D) and (N, C); most models have none."""


class ConditionalDensity(ConditionalSampler):
    """A sampler that knows its density."""

    @abstractmethod
    def log_density(self, z: Tensor, c: Tensor) -> Tensor:
        """Log p(z | c), (N,)."""


S = TypeVar("S", bound=ConditionalSampler)


@dataclass(kw_only=True, eq=False)
class TabularGenerator(ABC, Generic[S]):
    """Bijection, network states and training of a generator of feature vectors x given a context c.

    Hyperparameters are the dataclass fields. `bijection` is a kind or a specification of kind and hyperparameters, such
    as ``{"kind": "chain", "bijections": ["logit", "standardise"]}``. After `fit`: `bijection_`, `states_` (best first),
    `train_losses_`, `validation_losses_`, `best_epochs_`, `data_hash_`. Sampling shares the rows among all kept states.
    """

    kind: ClassVar[str]

    bijection: str | dict[str, Any] = "quantile_normal"
    training: TrainingSettings

    @abstractmethod
    def build(self, features: int, context: int) -> S:
        """An untrained network for `features` columns and `context` columns."""

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
        """Learn from x (N, D), context (N, C) and optional event weights (N,), which may be negative.

        Rows of weight zero are left out.

        Raises
        ------
        NonFiniteInputError, ShapeError, TooFewEventsError, ConstantFeatureError
            Before anything changes.
        DivergedError, CheckpointError
            From the training.
        """
        w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
        _check(x, context, w)
        used = w != 0
        data_hash = fingerprint(x, context, weights)
        x, context, w = np.asarray(x)[used], np.asarray(context)[used], w[used]
        rows, c = torch.as_tensor(np.asarray(x, np.float64)), torch.as_tensor(np.asarray(context, np.float64))
        w_t = torch.as_tensor(w)
        # A seed of its own, or the noise would know which rows are held out for validation.
        noise = uniform(rows, seed=seed ^ _NOISE)
        bijection = self._unfitted_bijection().fit(rows, w_t, c, noise)
        context_map = ContextMap.of(c)
        z, _ = bijection.forward(rows, c, noise)
        data = TrainingData(z.float(), context_map(c).float(), w_t.float())
        trained = self.learn(data, seed=seed, monitor=monitor, checkpoint=checkpoint)
        self.bijection_, self.context_map_ = bijection, context_map
        self.features_, self.seed_, self.data_hash_ = rows.shape[1], seed, data_hash
        self.train_losses_, self.validation_losses_ = trained.train_losses, trained.validation_losses
        self.best_epochs_ = trained.best_epochs
        self._take(trained.states)
        return self

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """States of the network of `build` from data behind the bijection; for a model that needs more than one phase.

        `fit` calls it after its checks; a model that replaces it can use `untrained` and `trained`.
        """
        network = self.untrained(data, seed=seed)
        phase = Phase(self.kind, network)
        return self.trained(network, phase, data, seed=seed, monitor=monitor, checkpoint=checkpoint)

    @property
    def plain(self) -> bool:
        """Whether `learn` is no more than one phase for one network, so that several can be trained at once."""
        return type(self).learn is TabularGenerator.learn

    def untrained(self, data: TrainingData, *, seed: int) -> S:
        """The network of `build` for these data, with initial weights drawn from the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build(data.x.shape[1], data.context.shape[1])

    def trained(
        self,
        network: S,
        phase: Phase,
        data: TrainingData,
        *,
        seed: int,
        monitor: Monitor | None = None,
        checkpoint: Path | None = None,
    ) -> Trained:
        """Train one phase of a network with the settings of `training`."""
        return train(
            network,
            [phase],
            data,
            self.training,
            seed=seed,
            monitor=monitor,
            checkpoint=checkpoint,
            description=self.hyperparameters(),
            after_epoch=after_epoch,
        )

    def sample(self, context: Array, *, seed: int) -> NDArray[np.float32]:
        """Draw one event per context row: (N, C) -> (N, D)."""
        raw, c = self._context(context)
        generator = torch.Generator().manual_seed(seed)
        # A random order shares the masses fairly among the states and leaves no block structure behind.
        order = torch.randperm(len(c), generator=generator)
        out = torch.empty(len(c), self.features_, dtype=torch.float32)
        with torch.no_grad():
            for rows, network in zip(torch.tensor_split(order, len(self.networks_)), self.networks_, strict=True):
                for chunk in torch.split(rows, max(1, CHUNK * self.features_ // math.prod(network.noise_shape))):
                    z = network.draw(c[chunk].to(_device(network)), generator).cpu()
                    out[chunk] = self.bijection_.inverse(z.double(), raw[chunk]).float()
        return out.numpy()

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        return dataclasses.asdict(self)

    def state(self) -> dict[str, Tensor]:
        """Everything that was fitted, as named tensors."""
        self._require_fit()
        out = {f"bijection.{key}": value for key, value in self.bijection_.state_dict().items()}
        for index, state in enumerate(self.states_):
            out |= {f"network.{index}.{key}": value for key, value in state.items()}
        return out | {
            "context.logarithmic": self.context_map_.logarithmic,
            "context.shift": self.context_map_.shift,
            "context.scale": self.context_map_.scale,
            "losses.train": torch.tensor(self.train_losses_, dtype=torch.float64),
            "losses.validation": torch.tensor(self.validation_losses_, dtype=torch.float64),
            "losses.best_epochs": torch.tensor(self.best_epochs_),
            "seed": torch.tensor(self.seed_),
        }

    def restore(self, state: dict[str, Tensor]) -> Self:
        """Take what `state` gave; the inverse of it."""
        self.context_map_ = ContextMap(*(state[f"context.{name}"] for name in ("logarithmic", "shift", "scale")))
        self.bijection_ = self._unfitted_bijection()
        self.bijection_.load_state_dict(_under("bijection.", state))
        self.train_losses_ = state["losses.train"].tolist()
        self.validation_losses_ = state["losses.validation"].tolist()
        self.best_epochs_ = state["losses.best_epochs"].tolist()
        self.seed_ = int(state["seed"])
        self.features_ = self.bijection_.features
        networks = _under("network.", state)
        count = 1 + max(int(key.split(".")[0]) for key in networks)
        self._take([_under(f"{index}.", networks) for index in range(count)])
        return self

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        self._require_fit()
        return (self.features_,)

    def _unfitted_bijection(self) -> FittedBijection:
        specification = {"kind": self.bijection} if isinstance(self.bijection, str) else self.bijection
        bijection: FittedBijection = create(specification)
        return bijection

    def _take(self, states: list[State]) -> None:
        """Build the networks of all kept states."""
        self.states_ = states
        self.networks_: list[S] = []
        for state in states:
            with torch.random.fork_rng(devices=[]):
                network = self.build(self.features_, len(self.context_map_.shift))
            network.load_state_dict(state)
            self.networks_.append(network.eval().requires_grad_(False).to(accelerator()))

    def _context(self, context: Array) -> tuple[Tensor, Tensor]:
        """The context as it came, in double precision, and as the networks see it."""
        self._require_fit()
        c = np.asarray(context, np.float64)
        columns = len(self.context_map_.shift)
        if c.ndim != 2 or c.shape[1] != columns:
            raise ShapeError(f"context has shape {c.shape}; it must be (events, {columns}).")
        if not np.isfinite(c).all():
            raise NonFiniteInputError(f"context: {int((~np.isfinite(c)).sum())} values are NaN or infinite.")
        raw = torch.as_tensor(c)
        return raw, self.context_map_(raw).float()

    def _require_fit(self) -> None:
        if not hasattr(self, "networks_"):
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit or load a saved one.")


@dataclass(kw_only=True, eq=False)
class TabularDensity(TabularGenerator[ConditionalDensity]):
    """A generator of feature vectors that knows its density, the mean over all kept states."""

    def log_prob(self, x: Array, context: Array) -> NDArray[np.float64]:
        """Log p(x | c) for x (N, D) and context (N, C): (N,), natural, per unit of x.

        Of columns that the bijection dequantises it is the probability of the value, per unit of the others: the
        integral over the noise, not a bound. It is −∞ where such a value is no level of the training sample.
        """
        raw, c = self._context(context)
        rows = np.asarray(x, np.float64)
        _check(rows, context, np.ones(len(rows)), minimum=0)
        if rows.shape[1] != self.features_:
            raise ShapeError(f"x has {rows.shape[1]} features; this density was fitted with {self.features_}.")
        at, points = torch.as_tensor(rows), self.noise_points_
        with torch.no_grad():
            parts = [
                log_mean(self.bijection_, self.networks_, points, at[chunk], raw[chunk], c[chunk])
                for chunk in torch.split(torch.arange(len(c)), max(1, CHUNK // len(points)))
            ]
        return torch.cat(parts).numpy() if parts else np.empty(0)

    @property
    def noise_points_(self) -> Tensor:
        """Noise of discrete columns, (P, D), over which a mean stands for the integral."""
        return lattice(_NOISE_POINTS, self.bijection_.discrete_columns, self.features_)


def log_mean(
    bijection: FittedBijection,
    networks: Iterable[ConditionalDensity],
    points: Tensor,
    x: Tensor,
    context: Tensor,
    c: Tensor,
) -> Tensor:
    """Log of the mean density of x (N, D) over networks and noise (P, D) of discrete columns: (N,).

    `context` (N, C) is as the bijection wants it, c (N, C) as the networks do.
    """
    count, rows = points.shape[0], x.shape[0]
    # All points at once: the networks are asked once, and a graph of this holds them once.
    noise = points[:, None].expand(-1, rows, -1).reshape(-1, x.shape[1])
    z, log_det = bijection.forward(x.repeat(count, 1), context.repeat(count, 1), noise)
    z, c = z.float(), c.repeat(count, 1)
    each = [
        network.log_density(z.to(_device(network)), c.to(_device(network))).double().to(log_det.device) + log_det
        for network in networks
    ]
    terms = torch.stack(each).reshape(len(each) * count, rows)
    return torch.logsumexp(terms, dim=0) - math.log(terms.shape[0])


def _check(x: Array, context: Array, weights: NDArray[np.float64], minimum: int = _MINIMUM_EVENTS) -> None:
    """Refuse what can not be learned from, by name."""
    if np.ndim(x) != 2 or np.ndim(context) != 2:
        raise ShapeError(f"x must be (N, D) and context (N, C); they are {np.shape(x)} and {np.shape(context)}.")
    if not len(x) == len(context) == len(weights) or weights.ndim != 1:
        raise ShapeError(f"x, context and weights have {len(x)}, {len(context)} and {np.shape(weights)} rows.")
    used = int(np.count_nonzero(weights))
    if used < minimum:
        raise TooFewEventsError(f"{used} events are too few to learn a density from; at least {minimum} are needed.")
    for name, values in (("x", np.asarray(x)), ("context", np.asarray(context)), ("weights", weights[:, None])):
        bad = ~np.isfinite(values)
        if bad.any():
            column = int(np.argmax(bad.any(axis=0)))
            raise NonFiniteInputError(
                f"{name}, column {column}: {int(bad[:, column].sum())} of {len(values)} values are NaN or infinite "
                f"(first in row {int(np.argmax(bad[:, column]))})."
            )
    if minimum and not weights.sum() > 0:
        raise TooFewEventsError(f"The event weights sum to {weights.sum():g}; their sum must be positive.")


def after_epoch(model: nn.Module, data: TrainingData) -> None:
    """Let a network set its statistics from all that it learns from."""
    assert isinstance(model, ConditionalSampler)
    model.after_epoch(data.x, data.context)


def _device(network: nn.Module) -> torch.device:
    """Where a network computes; preprocessing stays in the main memory, and is cheap."""
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))


def _under(prefix: str, state: dict[str, Tensor]) -> State:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
