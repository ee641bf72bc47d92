"""Base of all generators of clouds: a model is a file that implements one abstract method, `build`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from generators.base import NOISE, NetworkGenerator, Prepared
from generators.bijections.base import FittedBijection, uniform
from generators.conditional_network import ConditionalNetwork, device_of
from generators.errors import HyperparameterError, NonFiniteInputError, ShapeError
from generators.jets.lengths import prefix_mask
from generators.jets.multiplicity import Multiplicity
from generators.objective import Objective
from generators.one_phase import OnePhase
from generators.protocols import Array
from generators.sources import chunks_of, rows_within
from generators.training.acceleration import standard_normal
from generators.usable_rows import check_rows

#: Place of pT among the features of a constituent; a constituent without any is absent.
PT = 2

#: Clouds that are drawn or evaluated at once; bounds the memory whatever is asked for.
_CHUNK = 1 << 13

#: Bytes of a temporary array of those.
_DRAWN_BYTES = 1 << 24

#: Constituents that are enough to fit the preprocessing.
_FITTED = 1_000_000


class CloudSampler(nn.Module, ABC):
    """A network that draws clouds in the space behind the preprocessing.

    z (N, P, F) holds the present points first and zeros after them; every feature has about zero mean and unit
    variance. c (N, C) lies in [−1, 1] over the training range. `multiplicity` knows p(n | c), or is None where the
    number of points is always given.
    """

    features: int
    multiplicity: Multiplicity | None

    @abstractmethod
    def draw(self, counts: Tensor, c: Tensor, points: int, generator: torch.Generator) -> Tensor:
        """Clouds (N, P, F) of so many points (N,), of which there are at most `points`, at c (N, C).

        The generator of random numbers is one of the CPU.
        """


class CloudNetwork(ConditionalNetwork, CloudSampler):
    """A sampler of clouds, which turns normal noise into points.

    `random_numbers` is how many are needed for one point, if not as many as it has features.
    """

    random_numbers: int | None = None

    @abstractmethod
    def transport(self, noise: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        """What becomes of normal noise (N, P, `noise_features`), zero where a point is absent, at c: z (N, P, F)."""

    @property
    def noise_features(self) -> int:
        """Random numbers for one point."""
        return self.features if self.random_numbers is None else self.random_numbers

    @override
    def draw(self, counts: Tensor, c: Tensor, points: int, generator: torch.Generator) -> Tensor:
        noise = standard_normal((len(c), points, self.noise_features), generator, c.device)
        return self.transport(noise * prefix_mask(counts, points)[..., None], counts, c)


P = TypeVar("P", bound=CloudSampler)


class CloudObjective(Objective[P]):
    """The loss of the points, and that of their number if that is learned; the last column of c (N, C + 1) is it."""

    @abstractmethod
    def points_loss(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """Loss of every cloud, (N,), given its number of points (N,)."""

    @override
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        counts, c = c[:, -1].long(), c[:, :-1]
        loss, multiplicity = self.points_loss(counts, z, c), self.network.multiplicity
        return loss if multiplicity is None else loss - multiplicity.log_prob(counts, c)


class CloudDensity(CloudNetwork):
    """A sampler of clouds that knows its density."""

    @abstractmethod
    def log_density(self, counts: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """Log p(z | n, c), (N,), of the present points."""


S = TypeVar("S", bound=CloudSampler)


@dataclass(kw_only=True, eq=False)
class CloudGenerator(NetworkGenerator[S]):
    """A generator of clouds x (N, P, F ≥ 3) given a context: jets as sets of constituents, showers as sets of points.

    The last axis is (Δη, Δφ, pT / pT of the jet, …), further features as they come; a constituent with pT = 0 is
    absent, and comes back as zeros after the present ones, which are sorted by falling pT. `size_column` is the place
    of pT, or of the energy of a point that says in its stead whether it is there. `multiplicity` is the column of the
    context that holds the number of constituents; without one it is learned as p(n | c). `bijection` acts on the
    constituents, all features and ln pT in the place of pT.

    Clouds may be `Ragged`; then those of a batch have about the same number of constituents.
    """

    beside = 1
    sizes: ClassVar[tuple[str, ...]] = ("points",)

    multiplicity: int | None = None
    size_column: int = PT

    @override
    def check(self, x: Array, context: Array, weights: NDArray[np.float64]) -> None:
        _check(x, context, weights, self.size_column)

    @override
    def prepared(self, x: Tensor, context: Tensor, weights: Tensor, *, seed: int) -> Prepared:
        """The network is told the number of points."""
        clouds, counts = _present_first(x, self.size_column)
        self._check_counts(counts, context)
        bijection = self._fitted_bijection(clouds, counts, weights, seed)
        z, _ = _behind(bijection, clouds, counts, seed, self.size_column)
        return Prepared(z, counts[:, None].double(), bijection, {"points": clouds.shape[1]})

    @property
    def points_(self) -> int:
        """Constituents of the largest cloud that was fitted; 0 before."""
        return self.sizes_.get("points", 0)

    @override
    def mapped(self, x: Tensor, context: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
        clouds, counts = _present_first(x, self.size_column)
        self._check_counts(counts, context)
        return _behind(self.bijection_, clouds, counts, seed, self.size_column)[0], counts[:, None].double()

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        self._require_fit()
        return (self.points_, self.features_)

    def counting(self, points: int, context: int) -> Multiplicity | None:
        """What a network of `build` learns of the number of points, of which there are at most `points`."""
        return Multiplicity(context, points) if self.multiplicity is None else None

    @override
    def rows_at_once(self, network: S) -> int:
        return min(_CHUNK, rows_within(self.points_ * self.features_, _DRAWN_BYTES))

    @override
    def one_mapped_back(self, row: Tensor) -> Tensor:
        """One constituent."""
        return self.bijection_.inverse(row)

    @override
    def drawn(self, network: S, raw: Tensor, c: Tensor, generator: torch.Generator) -> Tensor:
        device = device_of(network)
        if self.multiplicity is None:
            assert network.multiplicity is not None
            counts = network.multiplicity.draw(c.to(device), generator)
        else:
            counts = raw[:, self.multiplicity].round().long().clamp(0, self.points_)
        mask = prefix_mask(counts, self.points_)
        z = network.draw(counts.to(device), c.to(device), self.points_, generator).cpu()
        rows = self.bijection_.inverse(z[mask].double())
        clouds = torch.zeros(len(c), self.points_, self.features_, dtype=torch.float64)
        rows[:, self.size_column] = rows[:, self.size_column].exp()
        clouds[mask] = rows
        falling = torch.argsort(clouds[..., self.size_column], dim=1, descending=True, stable=True)
        return clouds.gather(1, falling[..., None].expand_as(clouds))

    def _fitted_bijection(self, clouds: Tensor, counts: Tensor, weights: Tensor, seed: int) -> FittedBijection:
        mask = prefix_mask(counts, clouds.shape[1])
        rows, w = _with_log(clouds[mask], self.size_column), weights.repeat_interleave(counts)
        if len(rows) > _FITTED:
            some = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:_FITTED].sort().values
            rows, w = rows[some], w[some]
        noise = uniform(rows, seed=seed ^ NOISE)
        return self.unfitted_bijection().fit(rows, w, rows.new_zeros(len(rows), 0), noise)

    def _check_counts(self, counts: Tensor, context: Tensor) -> None:
        column = self.multiplicity
        if column is None:
            return
        if not -context.shape[1] <= column < context.shape[1]:
            raise HyperparameterError(
                f"multiplicity = {column}: the context has {context.shape[1]} columns, none of which is that."
            )
        wrong = context[:, column] != counts
        if bool(wrong.any()):
            row = int(wrong.int().argmax())
            raise ShapeError(
                f"context, column {column}, should hold the number of constituents: in {int(wrong.sum())} of "
                f"{len(counts)} rows it does not (row {row}: {float(context[row, column]):g} for {int(counts[row])})."
            )


@dataclass(kw_only=True, eq=False)
class CloudDensityGenerator(CloudGenerator[CloudDensity], OnePhase[CloudDensity]):
    """A generator of clouds that knows its density, by a network with one loss."""

    def log_prob(self, x: Array, context: Array) -> NDArray[np.float64]:
        """Log p(x | c), (N,), for clouds x (N, P, F) and context (N, C): natural, per unit of every present feature.

        It is the density of the constituents in a given order; that of the unordered set is n! times as large. With
        p(n | c) unless the number of constituents is part of the context, where it is the density given n.
        """
        raw, c = self._context(context)
        _check(x, raw.numpy(), np.ones(len(x)), self.size_column, minimum=0)
        if np.shape(x)[2] != self.features_:
            raise ShapeError(f"x has {np.shape(x)[2]} features; this density was fitted with {self.features_}.")
        clouds, counts = _present_first(torch.as_tensor(np.asarray(x[:], np.float64)), self.size_column)
        self._check_counts(counts, raw)
        if len(counts) and int(counts.max()) > self.points_:
            raise ShapeError(
                f"x has up to {int(counts.max())} constituents; this density was fitted with at most {self.points_}."
            )
        clouds = torch.nn.functional.pad(clouds[:, : self.points_], (0, 0, 0, max(0, self.points_ - clouds.shape[1])))
        parts, at_once = [], min(_CHUNK, rows_within(self.points_ * self.features_, _DRAWN_BYTES))
        with torch.no_grad():
            for chunk in torch.split(torch.arange(len(c)), at_once):
                z, log_det = _behind(self.bijection_, clouds[chunk], counts[chunk], 0, self.size_column)
                each = [self._log_density(network, z, counts[chunk], c[chunk]) for network in self.networks_]
                parts.append(torch.logsumexp(torch.stack(each), dim=0) - np.log(len(each)) + log_det)
        return torch.cat(parts).numpy() if parts else np.empty(0)

    def _log_density(self, network: CloudDensity, z: Tensor, counts: Tensor, c: Tensor) -> Tensor:
        device = device_of(network)
        counts, c = counts.to(device), c.to(device)
        out = network.log_density(counts, z.float().to(device), c).double()
        if network.multiplicity is not None:
            out = out + network.multiplicity.log_prob(counts, c).double()
        return out.cpu()


def _present_first(x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Clouds with their present points first, otherwise in the order that they had, and the number of those (N,)."""
    present = x[..., size] > 0
    order = torch.argsort((~present).to(torch.int8), dim=1, stable=True)
    clouds = x.gather(1, order[..., None].expand_as(x))
    counts = present.sum(dim=1)
    return clouds * prefix_mask(counts, x.shape[1])[..., None], counts


def _with_log(rows: Tensor, size: int) -> Tensor:
    """Constituents (M, F) with ln pT in the place of pT."""
    out = rows.clone()
    out[:, size] = out[:, size].log()
    return out


def _behind(bijection: FittedBijection, clouds: Tensor, counts: Tensor, seed: int, size: int) -> tuple[Tensor, Tensor]:
    """Clouds (N, P, F) behind the preprocessing, and its log|det| (N,)."""
    mask = prefix_mask(counts, clouds.shape[1])
    rows = _with_log(clouds[mask], size)
    at, log_det = bijection.forward(rows, rows.new_zeros(len(rows), 0), uniform(rows, seed=seed ^ NOISE))
    z = torch.zeros_like(clouds)
    z[mask] = at
    cloud = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return z, torch.zeros(len(counts), dtype=z.dtype).index_add(0, cloud, log_det - rows[:, size])


def _check(x: Array, context: Array, weights: NDArray[np.float64], size: int, minimum: int | None = None) -> None:
    if len(np.shape(x)) != 3 or np.shape(x)[2] < max(3, size + 1):
        raise ShapeError(
            f"x must be (N, P, F) with at least the three features Δη, Δφ and pT of a constituent; it is {np.shape(x)}."
        )
    if minimum is None:
        check_rows(x, context, weights)
    else:
        check_rows(x, context, weights, minimum)
    wrong = [(start, part[..., size] < 0) for start, part in chunks_of(x) if (part[..., size] < 0).any()]
    if wrong:
        row = wrong[0][0] + int(np.argmax(wrong[0][1].any(axis=1)))
        raise NonFiniteInputError(
            f"x: {sum(int(bad.sum()) for _, bad in wrong)} constituents have negative pT (first in row {row}); absent "
            "ones have pT = 0."
        )
