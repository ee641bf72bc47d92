"""Training data that live on the device and are batched by slicing, never row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class TrainingData:
    """Rows to learn from.

    `x` (N, *event), `context` (N, C), `weights` (N,); all of one length on one device.
    """

    x: Tensor
    context: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> Self:
        """The same rows on another device."""
        return replace(self, x=self.x.to(device), context=self.context.to(device), weights=self.weights.to(device))

    def rows(self, index: Tensor | slice) -> Self:
        """Selected rows."""
        return replace(self, x=self.x[index], context=self.context[index], weights=self.weights[index])

    def window(self, start: int, stop: int) -> TrainingData:
        """The rows from `start` to `stop`, as a batch."""
        return self.rows(slice(start, stop))

    def permuted(self, generator: torch.Generator) -> TrainingData:
        """All rows in a random order."""
        return self.rows(torch.randperm(len(self), generator=generator).to(self.x.device))

    def split(self, fraction: float, *, seed: int) -> tuple[Self, Self]:
        """Random training and validation parts, neither empty; the second holds `fraction` of the rows."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        n = min(max(1, round(fraction * len(self))), len(self) - 1)
        return self.rows(order[n:]), self.rows(order[:n])


@dataclass(frozen=True)
class SharedData(TrainingData):
    """Rows that K members learn from, each with weights of its own: `weights` (N, K).

    A batch has one more dimension in front, for the member: x (K, B, *event), context (K, B, C), weights (K, B).
    """

    def window(self, start: int, stop: int) -> TrainingData:
        """The same rows for all."""
        part, count = self.rows(slice(start, stop)), self.weights.shape[1]
        x, context = (values.expand(count, *values.shape) for values in (part.x, part.context))
        return TrainingData(x, context, part.weights.t())

    def permuted(self, generator: torch.Generator) -> TrainingData:
        """An order of its own for each."""
        orders = [torch.randperm(len(self), generator=generator) for _ in range(self.weights.shape[1])]
        index = torch.stack(orders).to(self.x.device)
        return _MemberRows(self.x[index], self.context[index], self.weights.t().gather(1, index))

    def of(self, member: int) -> TrainingData:
        """What one member learns from."""
        return TrainingData(self.x, self.context, self.weights[:, member])


@dataclass(frozen=True)
class _MemberRows(TrainingData):
    """Rows (K, N, …), of which a window is cut for all members."""

    def window(self, start: int, stop: int) -> TrainingData:
        return TrainingData(self.x[:, start:stop], self.context[:, start:stop], self.weights[:, start:stop])


def steps_per_pass(rows: int, batch_size: int) -> int:
    """Batches in one pass; the remainder is dropped so that every step sees the same number of events."""
    return max(1, rows // batch_size)


def shuffled(data: TrainingData, batch_size: int, steps: int, *, seed: int) -> Iterator[TrainingData]:
    """Yield `steps` batches from passes over the data, each pass in a new order.

    Every pass is permuted once and sliced: slices cost nothing, gathers per batch would.
    """
    generator = torch.Generator().manual_seed(seed)
    per_pass = steps_per_pass(len(data), batch_size)
    while steps > 0:
        permuted = data.permuted(generator)
        for i in range(min(per_pass, steps)):
            yield permuted.window(i * batch_size, (i + 1) * batch_size)
        steps -= per_pass


def ordered(data: TrainingData, batch_size: int) -> Iterator[TrainingData]:
    """Yield all rows in order."""
    for start in range(0, len(data), batch_size):
        yield data.window(start, start + batch_size)
