"""The frame of all generators of feature vectors: a model is a file that fills one hole, `build`."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.artifact import fingerprint
from generators.bijections.frame import FittedBijection, uniform
from generators.bijections.noise import lattice
from generators.context import ContextMap
from generators.errors import ShapeError
from generators.frame import (
    MINIMUM_EVENTS,
    ConditionalNetwork,
    NetworkGenerator,
    check_rows,
    device_of,
    under,
)
from generators.protocols import Array, Monitor
from generators.registry import create
from generators.training.batches import TrainingData
from generators.training.settings import TrainingSettings

#: Rows that go through a network at once when sampling; bounds the memory whatever is asked for.
CHUNK = 1 << 15

#: Points that stand for the noise of discrete columns in a density.
_NOISE_POINTS = 64

_NOISE = 0x6E6F697365


class ConditionalSampler(ConditionalNetwork):
    """A network with a loss and a sampler in the space behind the bijection.

    z (N, D) has about zero mean and unit variance, c (N, C) lies in [−1, 1] over the training range. A sample is a
    function of the context and of standard normal noise, which comes from outside: so it is the same on every device,
    and can be exported to programs that have other random numbers. A model fills `transport`, or `draw` if it needs
    other random numbers, which can not be exported.
    """

    features: int

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


class ConditionalDensity(ConditionalSampler):
    """A sampler that knows its density."""

    @abstractmethod
    def log_density(self, z: Tensor, c: Tensor) -> Tensor:
        """Log p(z | c), (N,)."""


S = TypeVar("S", bound=ConditionalSampler)


@dataclass(kw_only=True, eq=False)
class TabularGenerator(NetworkGenerator[S]):
    """Bijection, network states and training of a generator of feature vectors x given a context c.

    Hyperparameters are the dataclass fields. `bijection` is a kind or a specification of kind and hyperparameters, such
    as ``{"kind": "chain", "bijections": ["logit", "standardise"]}``. After `fit`: `bijection_` and what
    `NetworkGenerator` keeps. Sampling shares the rows among all kept states.
    """

    bijection: str | dict[str, Any] = "quantile_normal"
    training: TrainingSettings

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
        self.bijection_ = bijection
        self.keep(trained, context_map, features=rows.shape[1], seed=seed, data_hash=data_hash)
        return self

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
                    z = network.draw(c[chunk].to(device_of(network)), generator).cpu()
                    out[chunk] = self.bijection_.inverse(z.double(), raw[chunk]).float()
        return out.numpy()

    def preprocessing(self) -> dict[str, Tensor]:
        """See `NetworkGenerator`."""
        return {f"bijection.{key}": value for key, value in self.bijection_.state_dict().items()}

    def restore_preprocessing(self, state: dict[str, Tensor]) -> int:
        """See `NetworkGenerator`."""
        self.bijection_ = self._unfitted_bijection()
        self.bijection_.load_state_dict(under("bijection.", state))
        return self.bijection_.features

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        self._require_fit()
        return (self.features_,)

    def _unfitted_bijection(self) -> FittedBijection:
        specification = {"kind": self.bijection} if isinstance(self.bijection, str) else self.bijection
        bijection: FittedBijection = create(specification)
        return bijection


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
        network.log_density(z.to(device_of(network)), c.to(device_of(network))).double().to(log_det.device) + log_det
        for network in networks
    ]
    terms = torch.stack(each).reshape(len(each) * count, rows)
    return torch.logsumexp(terms, dim=0) - math.log(terms.shape[0])


def _check(x: Array, context: Array, weights: NDArray[np.float64], minimum: int = MINIMUM_EVENTS) -> None:
    if np.ndim(x) != 2 or np.ndim(context) != 2:
        raise ShapeError(f"x must be (N, D) and context (N, C); they are {np.shape(x)} and {np.shape(context)}.")
    check_rows(x, context, weights, minimum)
