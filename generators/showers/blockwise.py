"""The base of generators that make showers block by block, each by a density of feature vectors."""

from __future__ import annotations

import copy
import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.quasirandom import SobolEngine

from generators.artifact import fingerprint
from generators.base import under
from generators.context import as_columns, context_rows
from generators.errors import HyperparameterError, NonFiniteInputError, NotFittedError, ShapeError
from generators.factorised.base import are_densities, generator_of
from generators.parameters import Parameters
from generators.protocols import Array, Monitor
from generators.showers.blocks import Block
from generators.training.sequence import Stage, TrainingSequence
from generators.training.trained import identity_of
from generators.usable_rows import check_rows, event_weights

#: Voxels that are drawn or looked at together; bounds the memory whatever is asked for.
_AT_ONCE = 1 << 22

#: Noise is within that of its ends.
_SURE = 1e-6


@dataclass(frozen=True)
class Part:
    """Blocks that one generator makes, one after another: the unfitted generator learns them all."""

    blocks: Sequence[Block]
    generator: Any


@dataclass(kw_only=True, eq=False)
class Blockwise(Parameters, ABC):
    """Showers x (N, V) in GeV as blocks, each of which knows those before it.

    A subclass says by `parts` which blocks there are, in the order in which they are made, and which generator learns
    which.
    """

    kind: ClassVar[str]

    @abstractmethod
    def parts(self) -> list[Part]:
        """The parts, made anew."""

    @property
    @abstractmethod
    def voxels(self) -> int:
        """Number of voxels of a shower."""

    @abstractmethod
    def refuse(self, x: Tensor, raw: Tensor) -> None:
        """Refuse showers and context that can not be learned from, by name."""

    @abstractmethod
    def refuse_context(self, raw: Tensor) -> None:
        """Refuse a context (N, C) of finite numbers at which there is no shower, by name."""

    @abstractmethod
    def needed(self) -> Sequence[int]:
        """Columns of the context that must be there."""

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
        """Learn from x (N, V), context (N, C) and optional event weights (N,), part after part.

        Raises
        ------
        NonFiniteInputError, ShapeError, TooFewRowsError
            Before anything changes; and what the generators raise.
        """
        w, context = event_weights(x, weights), as_columns(context)
        self._check(x, context, w)
        used = w != 0
        rows, raw = (torch.as_tensor(np.asarray(np.asarray(a)[used], np.float64)) for a in (x, context))
        self.refuse_context(raw)
        self.refuse(rows, raw)
        data_hash = fingerprint(x, context, weights)
        parts, w = self.parts(), w[used]
        names = tuple(f"part{number}" for number in range(len(parts)))
        identity = identity_of([self.hyperparameters(), seed, data_hash])
        sequence = TrainingSequence(names, identity=identity, monitor=monitor, checkpoint=checkpoint)
        seeds = np.random.SeedSequence(seed).generate_state(len(parts)).tolist()
        fitted = [
            sequence.run(_stage(name, part, rows, raw, w, own))
            for name, part, own in zip(names, parts, seeds, strict=True)
        ]
        self.fitted_, self.context_columns_ = fitted, raw.shape[1]
        self.seed_, self.data_hash_ = seed, data_hash
        return self

    def sample(self, context: Array, *, seed: int) -> NDArray[np.float32]:
        """Draw one shower per context row: (N, C) -> (N, V)."""
        raw = self._context(context)
        out = np.empty((len(raw), self.voxels), np.float32)
        chunks = torch.split(torch.arange(len(raw)), self._rows_at_once()) if len(raw) else ()
        for number, chunk in enumerate(chunks):
            x = torch.zeros(len(chunk), self.voxels, dtype=torch.float64)
            seeds = np.random.SeedSequence([seed, number]).generate_state(len(self._in_order)).tolist()
            for (block, part), own in zip(self._in_order, seeds, strict=True):
                z = self.fitted_[part].sample(block.told(x, raw[chunk]).numpy(), seed=own)
                block.inverse(torch.as_tensor(np.asarray(z, np.float64)), raw[chunk], x)
            out[chunk.numpy()] = x.numpy()
        return out

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        self._require_fit()
        return (self.voxels,)

    @property
    def train_losses_(self) -> list[float]:
        """Those of all parts, one after another."""
        return [loss for each in self.fitted_ for loss in getattr(each, "train_losses_", [])]

    @property
    def validation_losses_(self) -> list[float]:
        """Those of all parts, one after another."""
        return [loss for each in self.fitted_ for loss in getattr(each, "validation_losses_", [])]

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        return copy.deepcopy({each.name: getattr(self, each.name) for each in dataclasses.fields(self)})

    def state(self) -> dict[str, Tensor]:
        """Everything that was fitted, as named tensors."""
        self._require_fit()
        out = {
            f"part{number}.{key}": value
            for number, fitted in enumerate(self.fitted_)
            for key, value in fitted.state().items()
        }
        return {**out, "shape": torch.tensor([self.context_columns_, self.seed_])}

    def restore(self, state: dict[str, Tensor]) -> Self:
        """Take what `state` gave; the inverse of it."""
        self.context_columns_, self.seed_ = state["shape"].tolist()
        self.fitted_ = [
            part.generator.restore(under(f"part{number}.", state)) for number, part in enumerate(self.parts())
        ]
        return self

    @cached_property
    def _in_order(self) -> list[tuple[Block, int]]:
        """All blocks in the order in which they are made, each with the number of its part."""
        blocks = [(block, number) for number, part in enumerate(self.parts()) for block in part.blocks]
        return sorted(blocks, key=lambda each: each[0].place)

    def _rows_at_once(self) -> int:
        return max(1, _AT_ONCE // self.voxels)

    def _context(self, context: Array) -> Tensor:
        self._require_fit()
        raw = torch.as_tensor(context_rows(context, self.context_columns_))
        wrong = (~torch.isfinite(raw)).sum(dim=0)
        if bool(wrong.any()):
            column = int(wrong.argmax())
            raise NonFiniteInputError(
                f"context, column {column}: {int(wrong[column])} of {len(raw)} values are NaN or infinite."
            )
        self.refuse_context(raw)
        return raw

    def _check(self, x: Array, context: Array, weights: NDArray[np.float64], minimum: int | None = None) -> None:
        if len(np.shape(x)) != 2 or np.shape(x)[1] != self.voxels:
            raise ShapeError(f"x must be (N, {self.voxels}), the voxels of layers of {self.kind}; it is {np.shape(x)}.")
        check_rows(x, context, weights, **({} if minimum is None else {"minimum": minimum}))
        columns, needed = np.shape(context)[1], list(self.needed())
        if not all(-columns <= column < columns for column in needed):
            raise ShapeError(f"{self.kind} needs the columns {needed} of the context, which has {columns}.")

    def _require_fit(self) -> None:
        if not hasattr(self, "fitted_"):
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit or load a saved one.")


@dataclass(kw_only=True, eq=False)
class BlockwiseDensity(Blockwise):
    """Showers as blocks of densities, of which it is the product.

    `log_prob` is the logarithm of a mean over `draws` of the noise that blocks put where a shower says nothing; see
    `SpreadCells`. The same draws are taken for all showers and all calls. Where a block knows its log-density but for
    a random error, as by "hutchinson", this mean of densities is biased upwards, by up to half the variance of that.
    """

    draws: int = 8

    @abstractmethod
    def possible(self, x: Tensor, raw: Tensor) -> Tensor:
        """Which showers x (N, V), with no negative voxel, there can be at the context (N, C), (N,)."""

    def log_prob(self, x: Array, context: Array) -> NDArray[np.float64]:
        """Log p(x | c), (N,), for showers x (N, V) in GeV and context (N, C).

        It is the probability that just these voxels have energy, times their density in 1/GeV: of all of them, or,
        where energies are given, of all but one for each of these that is not zero. It is −∞ for a shower that can not
        be, because it has a negative voxel or not the energies that are given.
        """
        raw = self._context(context)
        self._check(np.asarray(x, np.float64), raw.numpy(), np.ones(len(raw)), minimum=0)
        rows, found = torch.as_tensor(np.asarray(x, np.float64)), np.empty(len(raw))
        chunks = torch.split(torch.arange(len(raw)), max(1, self._rows_at_once() // self.draws)) if len(raw) else ()
        for chunk in chunks:
            found[chunk.numpy()] = self._log_density(rows[chunk], raw[chunk])
        return found

    def _log_density(self, x: Tensor, raw: Tensor) -> NDArray[np.float64]:
        valid = (x >= 0).all(dim=1)
        valid &= self.possible(x.clamp_min(0), raw)
        total, at = torch.zeros(len(x), dtype=torch.float64), x.clamp_min(0)
        for block, part in self._in_order:
            noise = _spread_out(self.draws, block.numbers)
            drawn = (block.forward(at, raw, one[None]) for one in noise)
            z, log_weight = (torch.cat(each) for each in zip(*drawn, strict=True))
            told = block.told(at, raw).repeat(self.draws, 1)
            log_q = torch.as_tensor(self.fitted_[part].log_prob(z.numpy(), told.numpy()))
            total += torch.logsumexp((log_q + log_weight).reshape(self.draws, len(x)), dim=0) - math.log(self.draws)
        return torch.where(valid, total, -torch.inf).numpy()

    def density(self, specification: Any, place: str) -> Any:
        """The unfitted density of a specification.

        Raises
        ------
        HyperparameterError
            If it is none; `place` is named.
        """
        made = generator_of(specification, f"{place} of {self.kind}")
        if not are_densities(made):
            raise HyperparameterError(f"{place} of {self.kind}: '{made.kind}' knows no density, which is needed.")
        return made


def _spread_out(draws: int, numbers: int) -> Tensor:
    """Standard normal noise (draws, numbers), the same in every call, more even than at random where there are few."""
    if numbers > SobolEngine.MAXDIM:
        return torch.randn(draws, numbers, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    engine: Any = SobolEngine
    even: Tensor = engine(numbers, scramble=True, seed=0).draw(draws, dtype=torch.float64)
    found: Tensor = torch.special.ndtri(even.clamp(_SURE, 1 - _SURE))
    return found


def _stage(name: str, part: Part, x: Tensor, raw: Tensor, weights: NDArray[np.float64], seed: int) -> Stage[Any]:
    """The training of one part on all of its blocks."""

    def fit(monitor: Monitor | None, checkpoint: Path | None) -> Any:
        random = torch.Generator().manual_seed(seed)
        vectors, told = [], []
        for block in part.blocks:
            noise = torch.randn(len(x), block.numbers, dtype=torch.float64, generator=random)
            vectors.append(block.forward(x, raw, noise)[0].float())
            told.append(block.told(x, raw).float())
        return part.generator.fit(
            torch.cat(vectors).numpy(),
            torch.cat(told).numpy(),
            weights=np.tile(weights, len(part.blocks)),
            seed=seed,
            monitor=monitor,
            checkpoint=checkpoint,
        )

    return Stage(
        name,
        fit,
        to_tree=lambda fitted: fitted.state(),
        from_tree=part.generator.restore,
        length=lambda fitted: len(getattr(fitted, "train_losses_", ())),
    )
