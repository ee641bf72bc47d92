"""Base of all generators of feature vectors: a model is a file that implements one abstract method, `build`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from generators.base import NOISE, NetworkGenerator, Prepared
from generators.bijections.base import FittedBijection, SmoothBijection, uniform
from generators.bijections.noise import lattice
from generators.conditional_network import ConditionalNetwork, device_of
from generators.errors import ShapeError
from generators.objective import Objective
from generators.one_phase import OnePhase
from generators.protocols import Array
from generators.sources import rows_within
from generators.tabular.precision import settled_precision
from generators.training.acceleration import standard_normal
from generators.usable_rows import MINIMUM_EVENTS, check_rows

#: Rows that go through a network at once when sampling; bounds the memory whatever is asked for.
CHUNK = 1 << 15

#: Bytes of a temporary array where a bijection maps: it has dozens of them, which stay in the cache of a processor.
_MAPPED_BYTES = 1 << 20

#: Points that stand for the noise of discrete columns in a density.
_NOISE_POINTS = 64


class ConditionalSampler(nn.Module, ABC):
    """A network with a sampler in the space behind the bijection.

    z (N, D) has about zero mean and unit variance, c (N, C) lies in [−1, 1] over the training range. `random_numbers`
    is the shape of those of one event, if it is not that of z.
    """

    features: int
    random_numbers: tuple[int, ...] | None = None

    @abstractmethod
    def draw(self, c: Tensor, generator: torch.Generator) -> Tensor:
        """One z per row of c, (N, D)."""

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the random numbers of one event."""
        return (self.features,) if self.random_numbers is None else self.random_numbers


class NoiseMap(ConditionalSampler):
    """A sampler with a function of the context and of standard normal noise, which comes from outside.

    So it can be exported to programs that have other random numbers.
    """

    @abstractmethod
    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        """What becomes of standard normal noise (N, *noise_shape), in double precision, at c: z (N, D)."""


class NoiseSampler(NoiseMap):
    """A sampler whose draws are what becomes of any noise."""

    @override
    def draw(self, c: Tensor, generator: torch.Generator) -> Tensor:
        shape = (c.shape[0], *self.noise_shape)
        return self.transport(standard_normal(shape, generator, c.device, torch.float64), c)


class ConditionalDensity(ConditionalSampler, ConditionalNetwork):
    """A sampler that knows its density."""

    @abstractmethod
    def log_density(self, z: Tensor, c: Tensor) -> Tensor:
        """Log p(z | c), (N,)."""


class LikelihoodDensity(ConditionalDensity):
    """A density that is learned in single precision and, once fitted, known in that of `settled_precision`."""

    @abstractmethod
    def log_likelihood(self, z: Tensor, c: Tensor) -> Tensor:
        """Log p(z | c), (N,), in the precision of the weights."""

    @final
    @override
    def log_density(self, z: Tensor, c: Tensor) -> Tensor:
        precision = settled_precision(self)
        return self.log_likelihood(z.to(precision), c.to(precision))


class NegativeLogLikelihood(Objective[ConditionalDensity]):
    """Minus the logarithm of the density: maximum likelihood."""

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        return -log_likelihood(self.network, z, c)


def log_likelihood(network: ConditionalDensity, z: Tensor, c: Tensor) -> Tensor:
    """Log p(z | c), (N,), in the precision in which a network is trained."""
    return network.log_likelihood(z, c) if isinstance(network, LikelihoodDensity) else network.log_density(z, c)


S = TypeVar("S", bound=ConditionalSampler)


@dataclass(kw_only=True, eq=False)
class TabularGenerator(NetworkGenerator[S]):
    """A generator of feature vectors x (N, D) given a context (N, C).

    Hyperparameters are the dataclass fields. `bijection` acts on all columns, such as
    ``{"kind": "chain", "bijections": ["logit", "standardise"]}``. Sampling shares the rows among all kept states.
    """

    @override
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        check_features(x, context, weights)

    @override
    def prepared(self, x: Tensor, context: Tensor, weights: Tensor, *, seed: int) -> Prepared:
        bijection = self.unfitted_bijection()
        noise = noise_for(bijection, x, seed)
        bijection.fit(x, weights, context, noise)
        return Prepared(by_parts(bijection, x, context, noise), x.new_zeros(len(x), 0), bijection)

    @override
    def mapped(self, x: Tensor, context: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
        noise = noise_for(self.bijection_, x, seed)
        return by_parts(self.bijection_, x, context, noise), x.new_zeros(len(x), 0)

    @override
    def one_mapped_back(self, row: Tensor) -> Tensor:
        return self.bijection_.inverse(row, row.new_zeros(1, len(self.context_map_.shift)))

    @override
    def drawn(self, network: S, raw: Tensor, c: Tensor, generator: torch.Generator) -> Tensor:
        z = network.draw(c.to(device_of(network)), generator).cpu()
        return inverse_by_parts(self.bijection_, z.double(), raw)

    @override
    def rows_at_once(self, network: S) -> int:
        numbers = math.prod(network.noise_shape)
        return max(1, min(CHUNK * self.features_ // numbers, rows_within(max(numbers, self.features_))))

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        self._require_fit()
        return (self.features_,)


@dataclass(kw_only=True, eq=False)
class FeatureDensity(TabularGenerator[ConditionalDensity]):
    """A generator of feature vectors that knows its density, the mean over all kept states."""

    @property
    @abstractmethod
    def plain(self) -> bool:
        """Whether `learn` is no more than one loss for one network, so that several can be trained at once."""

    def log_prob(self, x: Array, context: Array) -> NDArray[np.float64]:
        """Log p(x | c) for x (N, D) and context (N, C), or (N,) of one column: (N,), natural, per unit of x.

        Of columns that the bijection dequantises it is the probability of the value, per unit of the others: the
        integral over the noise, not a bound. It is −∞ where such a value is no level of the training sample.
        """
        raw, c = self._context(context)
        rows = np.asarray(x, np.float64)
        check_features(rows, raw.numpy(), np.ones(len(rows)), minimum=0)
        if rows.shape[1] != self.features_:
            raise ShapeError(f"x has {rows.shape[1]} features; this density was fitted with {self.features_}.")
        at, points = torch.as_tensor(rows), self.noise_points_
        rows_at_once = max(1, min(CHUNK, rows_within(self.features_)) // len(points))
        with torch.no_grad():
            parts = [
                log_mean(self.bijection_, self.networks_, points, at[chunk], raw[chunk], c[chunk])
                for chunk in torch.split(torch.arange(len(c)), rows_at_once)
            ]
        return torch.cat(parts).numpy() if parts else np.empty(0)

    @property
    def noise_points_(self) -> Tensor:
        """Noise of discrete columns, (P, D), over which a mean stands for the integral."""
        return lattice(_NOISE_POINTS, self.bijection_.discrete_columns, self.features_)


@dataclass(kw_only=True, eq=False)
class OneLossDensity(FeatureDensity, OnePhase[ConditionalDensity]):
    """A density of feature vectors by a network with one loss: all but `build` and `objective`."""

    @property
    def plain(self) -> bool:
        """It always is."""
        return True


@dataclass(kw_only=True, eq=False)
class TabularDensity(OneLossDensity):
    """A density of feature vectors that is learned by maximum likelihood: all but `build`."""

    @override
    def objective(self, network: ConditionalDensity) -> NegativeLogLikelihood:
        return NegativeLogLikelihood(network)


def noise_for(bijection: FittedBijection, x: Tensor, seed: int) -> Tensor:
    """Noise for the discrete columns of x (N, D); where there can be none it takes no memory.

    It has a seed of its own, or it would know which rows are held out for validation.
    """
    if isinstance(bijection, SmoothBijection):
        return x.new_zeros(()).expand(x.shape)
    return uniform(x, seed=seed ^ NOISE)


def by_parts(bijection: FittedBijection, x: Tensor, context: Tensor, noise: Tensor) -> Tensor:
    """What a bijection makes of x (N, D), so many rows at once that temporary arrays are small."""
    return _by_parts(lambda part: bijection.forward(x[part], context[part], noise[part])[0], x)


def inverse_by_parts(bijection: FittedBijection, z: Tensor, context: Tensor) -> Tensor:
    """The inverse of a bijection of z (N, D), so many rows at once that temporary arrays are small."""
    return _by_parts(lambda part: bijection.inverse(z[part], context[part]), z)


def _by_parts(made: Callable[[slice], Tensor], like: Tensor) -> Tensor:
    step = rows_within(like.shape[1], _MAPPED_BYTES)
    if len(like) <= step:
        return made(slice(None))
    out = torch.empty_like(like)
    for start in range(0, len(like), step):
        part = slice(start, start + step)
        out[part] = made(part)
    return out


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


def check_features(x: Array, context: Array, weights: NDArray[np.float64], minimum: int = MINIMUM_EVENTS) -> None:
    """Refuse x (N, D), context (N, C) and weights (N,) that are none, by name."""
    if len(np.shape(x)) != 2 or np.ndim(context) != 2:
        raise ShapeError(f"x must be (N, D) and context (N, C); they are {np.shape(x)} and {np.shape(context)}.")
    check_rows(x, context, weights, minimum)
