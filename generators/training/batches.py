"""Training data that are batched by index, where they are: on the device, in the main memory, or in a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from generators.errors import ShapeError
from generators.training.containers import Container, RaggedTensor, StoredTensor, rows_of
from generators.training.settings import steps_per_pass

#: Batches whose rows are sorted by length together.
_SORTED_TOGETHER = 16

#: Bytes of rows from a file that are held out at most.
_HELD_OUT = 1 << 28

#: Part of the free memory of a device that data may fill.
_OF_THE_DEVICE = 0.6

#: Copies of every event among the rows of trainings, wherever they are begun.
_COPIES = ContextVar("copies", default=1)


@contextmanager
def in_copies(count: int) -> Iterator[None]:
    """Trainings inside learn from rows that are as many versions of the same events, all of one after all of another.

    Those of one event are then all learned from or all held out: a held-out loss of rows whose versions were learned
    from would not tell when a training has gone too far.
    """
    token = _COPIES.set(count)
    try:
        yield
    finally:
        _COPIES.reset(token)


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

    `x` (N, *event), `context` (N, C), `weights` with N rows, and `more`, further tensors by name with as many, which
    objectives get as keywords. x may be ragged, then batches of it are padded, or stored, then batches are read.
    `index` says which of the rows take part, all by default: no part of the data is a copy of it.
    """

    x: Any
    context: Tensor
    weights: Tensor
    index: Tensor | None = None
    more: Mapping[str, Tensor] = field(default_factory=dict)

    @abstractmethod
    def batch(self, places: Tensor | slice) -> TrainingData:
        """Rows at places among those that take part, as a batch on the device."""

    @abstractmethod
    def order(self, generator: torch.Generator) -> Tensor:
        """Places of all rows in a random order."""

    def __len__(self) -> int:
        return len(self.x) if self.index is None else len(self.index)

    def to(self, device: torch.device) -> Self:
        """The same rows for another device; x stays where it is if there is no room for it."""
        x: Container = self.x
        moved = x.to(device) if fits_on(device, x) else x
        index = self.index if self.index is None else self.index.to(moved.device)
        more = {name: values.to(device) for name, values in self.more.items()}
        return replace(
            self, x=moved, context=self.context.to(device), weights=self.weights.to(device), index=index, more=more
        )

    def rows(self, index: Tensor) -> Self:
        """Selected rows, as a copy in memory."""
        at = self._at(index)
        there = at.to(self.context.device)
        more = {name: values[there] for name, values in self.more.items()}
        return replace(
            self,
            x=rows_of(self.x, at),
            context=self.context[there],
            weights=self.weights[there],
            index=None,
            more=more,
        )

    def whole(self) -> Self:
        """All rows that take part, in memory."""
        return self if self.index is None else self.rows(torch.arange(len(self), device=self.index.device))

    def taken_weights(self) -> Tensor:
        """Weights of the rows that take part."""
        return self.weights if self.index is None else self.weights[self.index.to(self.weights.device)]

    def split(self, fraction: float, *, seed: int) -> tuple[Self, Self]:
        """Random training and validation parts, neither empty; the second holds `fraction` of the rows.

        Of stored rows not more are held out than can be held. All copies of a row, see `in_copies`, are in one part.
        """
        copies = _COPIES.get()
        events = len(self) // copies
        if events * copies != len(self):
            raise ShapeError(f"{len(self)} rows are not {copies} copies of some events, as they were said to be.")
        order = torch.randperm(events, generator=torch.Generator().manual_seed(seed))
        n = min(max(1, round(fraction * events)), events - 1)
        held = n if not isinstance(self.x, StoredTensor) else min(n, max(1, _HELD_OUT // (copies * self.x.row_bytes)))
        starts = events * torch.arange(copies)
        learned, held_out = ((part[:, None] + starts).flatten() for part in (order[n:], order[:held]))
        return replace(self, index=self._at(learned)), self.rows(held_out)

    def _at(self, places: Tensor) -> Tensor:
        """Where places among the rows that take part lie in the data."""
        return places if self.index is None else self.index[places.to(self.index.device)]


@dataclass(frozen=True)
class TrainingData(Rows):
    """Rows that one network learns from: `weights` (N,)."""

    def batch(self, places: Tensor | slice) -> TrainingData:
        """Those rows."""
        if isinstance(places, slice) and self.index is None:
            at: Tensor | slice = places
            there: Tensor | slice = places
        else:
            at = self._at(torch.arange(len(self))[places] if isinstance(places, slice) else places)
            at, there = at.to(self.x.device), at.to(self.context.device)
        more = {name: values[there] for name, values in self.more.items()}
        x = self.x[at].to(self.context.device)
        return TrainingData(x, self.context[there], self.weights[there], more=more)

    def order(self, generator: torch.Generator) -> Tensor:
        """Of all."""
        return torch.randperm(len(self), generator=generator)


@dataclass(frozen=True)
class SharedData(Rows):
    """Rows that K members learn from, each with weights of its own: `weights` (N, K).

    A batch has one more dimension in front, for the member: x (K, B, *event), context (K, B, C), weights (K, B).
    """

    def batch(self, places: Tensor | slice) -> TrainingData:
        """The same rows for all, or those at places (K, B) of each."""
        count = self.weights.shape[1]
        device = self.context.device
        if isinstance(places, slice):
            at = self._at(torch.arange(len(self))[places])
            there = at.to(device)
            rows = (self.x[at.to(self.x.device)].to(device), self.context[there])
            x, context = (values.expand(count, *values.shape) for values in rows)
            return TrainingData(x, context, self.weights[there].t())
        at = self._at(places)
        there = at.to(device)
        x = self.x[at.to(self.x.device)].to(device)
        return TrainingData(x, self.context[there], self.weights.t().gather(1, there))

    def order(self, generator: torch.Generator) -> Tensor:
        """Of each member, (K, N)."""
        orders = [torch.randperm(len(self), generator=generator) for _ in range(self.weights.shape[1])]
        return torch.stack(orders)

    def of(self, member: int) -> TrainingData:
        """What one member learns from."""
        return TrainingData(self.x, self.context, self.weights[:, member], self.index)


def shuffled(
    data: Rows, batch_size: int, steps: int, *, seed: int, share: Share | None = None
) -> Iterator[TrainingData]:
    """Yield `steps` batches from passes over the data, each pass in a new order.

    Batches of ragged data are of rows of about one length. Stored data are read in blocks, as many at once as can be
    held, and shuffled among those. With a `share`, of every batch that part of the rows.
    """
    generator = torch.Generator().manual_seed(seed)
    per_pass, size = steps_per_pass(len(data), batch_size), min(batch_size, len(data))
    first, last = (0, size) if share is None else share.of(size)
    while steps > 0:
        if isinstance(data.x, StoredTensor):
            batches = _read(data, data.x.rows_at_once, batch_size, generator)
        else:
            order = data.order(generator)
            if isinstance(data.x, RaggedTensor):
                order = _by_length(order, data, batch_size, generator)
            batches = ((data, order[..., i * batch_size : (i + 1) * batch_size]) for i in range(per_pass))
        for _, (held, places) in zip(range(min(per_pass, steps)), batches, strict=False):
            yield held.batch(places[..., first:last])
        steps -= per_pass


def ordered(data: Rows, batch_size: int) -> Iterator[TrainingData]:
    """Yield all rows in order."""
    for start in range(0, len(data), batch_size):
        yield data.batch(slice(start, start + batch_size))


def _by_length(order: Tensor, data: Rows, batch_size: int, generator: torch.Generator) -> Tensor:
    """The order with rows of about one length in every batch, and batches in random order."""
    lengths: Tensor = data.x.lengths.cpu()
    whole = len(order) // batch_size * batch_size
    parts = []
    for part in torch.split(order[:whole], _SORTED_TOGETHER * batch_size):
        at = part if data.index is None else data.index.cpu()[part]
        parts.append(part[torch.argsort(lengths[at], stable=True)].reshape(-1, batch_size))
    if not parts:
        return order
    batches = torch.cat(parts)
    return torch.cat([batches[torch.randperm(len(batches), generator=generator)].flatten(), order[whole:]])


def _read(data: Rows, held: int, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Rows, Tensor]]:
    """Batches of rows that are read in blocks of neighbours, which a disk gives quickly, some at random at once."""
    ascending = torch.arange(len(data)) if data.index is None else torch.argsort(data.index)
    blocks = torch.split(ascending, max(1, held // _SORTED_TOGETHER))
    order = torch.randperm(len(blocks), generator=generator).tolist()
    left = ascending[:0]
    for start in range(0, len(order), _SORTED_TOGETHER):
        places = torch.cat([left, *(blocks[number] for number in order[start : start + _SORTED_TOGETHER])])
        places = places[torch.randperm(len(places), generator=generator)]
        full = len(places) // batch_size * batch_size
        left = places[full:]
        if full:
            memory = data.rows(places[:full])
            yield from ((memory, torch.arange(i, i + batch_size)) for i in range(0, full, batch_size))
    if len(left) and len(data) < batch_size:
        yield data.rows(left), torch.arange(len(left))


def fits_on(device: torch.device, x: Container) -> bool:
    """Whether there is room for these values; what does not fit on a GPU stays where it is, and batches are moved."""
    if isinstance(x, StoredTensor) or device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return bool(x.nbytes <= _OF_THE_DEVICE * free)
