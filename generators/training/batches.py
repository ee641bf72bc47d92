"""Training data that live on the device and are batched by slicing, never row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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

    def to(self, device: torch.device) -> TrainingData:
        """The same rows on another device."""
        return TrainingData(self.x.to(device), self.context.to(device), self.weights.to(device))

    def rows(self, index: Tensor | slice) -> TrainingData:
        """Selected rows."""
        return TrainingData(self.x[index], self.context[index], self.weights[index])

    def split(self, fraction: float, *, seed: int) -> tuple[TrainingData, TrainingData]:
        """Random training and validation parts, neither empty; the second holds `fraction` of the rows."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        n = min(max(1, round(fraction * len(self))), len(self) - 1)
        return self.rows(order[n:]), self.rows(order[:n])


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
        permuted = data.rows(torch.randperm(len(data), generator=generator).to(data.x.device))
        for i in range(min(per_pass, steps)):
            yield permuted.rows(slice(i * batch_size, (i + 1) * batch_size))
        steps -= per_pass


def ordered(data: TrainingData, batch_size: int) -> Iterator[TrainingData]:
    """Yield all rows in order."""
    for start in range(0, len(data), batch_size):
        yield data.rows(slice(start, start + batch_size))
