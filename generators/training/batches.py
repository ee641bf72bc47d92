"""Training data that live on the device and are batched by slicing, never row by row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """The part of every batch that one of several processes has."""

    rank: int
    world: int

    def of(self, rows: int) -> tuple[int, int]:
        """First and end of the part of so many rows; all parts together are all rows."""
        return self.rank * rows // self.world, (self.rank + 1) * rows // self.world

    def weight(self, rows: int) -> float:
        """What a mean over the part counts in the mean over all processes that is that over so many rows."""
        first, end = self.of(rows)
        return (end - first) * self.world / rows


@dataclass(frozen=True)
class Rows(ABC):
    """Rows to learn from.

    `x` (N, *event), `context` (N, C), `weights` with N rows; all of one length on one device.
    """

    x: Tensor
    context: Tensor
    weights: Tensor

    @abstractmethod
    def window(self, start: int, stop: int) -> TrainingData:
        """The rows from `start` to `stop`, as a batch."""

    @abstractmethod
    def permuted(self, generator: torch.Generator) -> Rows:
        """All rows in a random order."""

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> Self:
        """The same rows on another device."""
        return replace(self, x=self.x.to(device), context=self.context.to(device), weights=self.weights.to(device))

    def rows(self, index: Tensor | slice) -> Self:
        """Selected rows."""
        return replace(self, x=self.x[index], context=self.context[index], weights=self.weights[index])

    def split(self, fraction: float, *, seed: int) -> tuple[Self, Self]:
        """Random training and validation parts, neither empty; the second holds `fraction` of the rows."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        n = min(max(1, round(fraction * len(self))), len(self) - 1)
        return self.rows(order[n:]), self.rows(order[:n])


@dataclass(frozen=True)
class TrainingData(Rows):
    """Rows that one network learns from: `weights` (N,)."""

    def window(self, start: int, stop: int) -> TrainingData:
        """A part of them."""
        return self.rows(slice(start, stop))

    def permuted(self, generator: torch.Generator) -> TrainingData:
        """All of them."""
        return self.rows(torch.randperm(len(self), generator=generator).to(self.x.device))


@dataclass(frozen=True)
class SharedData(Rows):
    """Rows that K members learn from, each with weights of its own: `weights` (N, K).

    A batch has one more dimension in front, for the member: x (K, B, *event), context (K, B, C), weights (K, B).
    """

    def window(self, start: int, stop: int) -> TrainingData:
        """The same rows for all."""
        part, count = self.rows(slice(start, stop)), self.weights.shape[1]
        x, context = (values.expand(count, *values.shape) for values in (part.x, part.context))
        return TrainingData(x, context, part.weights.t())

    def permuted(self, generator: torch.Generator) -> Rows:
        """An order of its own for each."""
        orders = [torch.randperm(len(self), generator=generator) for _ in range(self.weights.shape[1])]
        index = torch.stack(orders).to(self.x.device)
        return _MemberRows(self.x[index], self.context[index], self.weights.t().gather(1, index))

    def of(self, member: int) -> TrainingData:
        """What one member learns from."""
        return TrainingData(self.x, self.context, self.weights[:, member])


@dataclass(frozen=True)
class _MemberRows(Rows):
    """Rows (K, N, …), in an order, of which a window is cut for all members."""

    def window(self, start: int, stop: int) -> TrainingData:
        return TrainingData(self.x[:, start:stop], self.context[:, start:stop], self.weights[:, start:stop])

    def permuted(self, generator: torch.Generator) -> Rows:
        index = torch.randperm(self.x.shape[1], generator=generator).to(self.x.device)
        return _MemberRows(self.x[:, index], self.context[:, index], self.weights[:, index])


def steps_per_pass(rows: int, batch_size: int) -> int:
    """Batches in one pass; the remainder is dropped so that every step sees the same number of events."""
    return max(1, rows // batch_size)


def shuffled(
    data: Rows, batch_size: int, steps: int, *, seed: int, share: Share | None = None
) -> Iterator[TrainingData]:
    """Yield `steps` batches from passes over the data, each pass in a new order.

    Every pass is permuted once and sliced: slices cost nothing, gathers per batch would. With a `share`, of every batch
    that part of the rows.
    """
    generator = torch.Generator().manual_seed(seed)
    per_pass, size = steps_per_pass(len(data), batch_size), min(batch_size, len(data))
    first, last = (0, size) if share is None else share.of(size)
    while steps > 0:
        permuted = data.permuted(generator)
        for i in range(min(per_pass, steps)):
            yield permuted.window(i * batch_size + first, i * batch_size + last)
        steps -= per_pass


def ordered(data: Rows, batch_size: int) -> Iterator[TrainingData]:
    """Yield all rows in order."""
    for start in range(0, len(data), batch_size):
        yield data.window(start, start + batch_size)
