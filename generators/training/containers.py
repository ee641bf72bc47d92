"""Values of events that training batches are taken from: on one device, of different lengths, or still in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

#: Bytes of rows that are read from a file at once.
_READ_AT_ONCE = 1 << 26


@dataclass(frozen=True, eq=False)
class RaggedTensor:
    """Rows of different lengths: row i is `values[offsets[i]:offsets[i + 1]]`, of values (M, *part), offsets (N + 1,).

    By an index it gives what a tensor of all rows padded by zeros would, but no longer than the longest of these rows;
    no row is longer than `longest`.
    """

    values: Tensor
    offsets: Tensor
    longest: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all rows padded to the same length, `longest`."""
        return (len(self), self.longest, *self.values.shape[1:])

    @property
    def device(self) -> torch.device:
        """Where the values are."""
        return self.values.device

    @property
    def lengths(self) -> Tensor:
        """Of every row, (N,)."""
        return self.offsets.diff()

    @property
    def nbytes(self) -> int:
        """Bytes of all."""
        return int(self.values.nbytes + self.offsets.nbytes)

    def to(self, device: torch.device) -> RaggedTensor:
        """The same on another device."""
        return RaggedTensor(self.values.to(device), self.offsets.to(device), self.longest)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Rows (B, longest, *part), padded by zeros."""
        starts, lengths = self.offsets[:-1][index], self.lengths[index]
        longest = max(1, int(lengths.max())) if len(lengths) else 1
        place = torch.arange(longest, device=starts.device)
        present = place < lengths[:, None]
        # Where nothing is present anything may be read, as long as it exists.
        at = (starts[:, None] + place).clamp_max(max(0, len(self.values) - 1))
        shape = (*present.shape, *self.values.shape[1:])
        if not self.values.numel():
            return self.values.new_zeros(shape)
        return torch.where(present.reshape(*present.shape, *[1] * (len(shape) - 2)), self.values[at], 0)

    def rows(self, index: Tensor) -> RaggedTensor:
        """Some rows, still of different lengths."""
        starts, lengths = self.offsets[:-1][index], self.lengths[index]
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        at = torch.repeat_interleave(starts - offsets[:-1], lengths) + torch.arange(
            int(offsets[-1]), device=starts.device
        )
        return RaggedTensor(self.values[at], offsets, self.longest)


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """Rows that stay where they are, such as in a file, and are computed when a batch wants them.

    `read(rows)` gives those of ascending places (B,) as a tensor (B, *event); `shape` is (N, *event), and `identity`
    tells their content from any other.
    """

    read: Callable[[np.ndarray[Any, np.dtype[np.int64]]], Tensor]
    shape: tuple[int, ...]
    identity: str

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def device(self) -> torch.device:
        """Of what is read."""
        return torch.device("cpu")

    @property
    def row_bytes(self) -> int:
        """Bytes of a row in single precision."""
        return 4 * int(np.prod(self.shape[1:]))

    @property
    def rows_at_once(self) -> int:
        """Rows that are read and held together."""
        return max(1, _READ_AT_ONCE // self.row_bytes)

    def to(self, device: torch.device) -> StoredTensor:
        """The same: what is read is moved batch by batch."""
        return self

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Rows (B, *event) in the order of the index."""
        places = torch.arange(len(self))[index] if isinstance(index, slice) else index.cpu()
        ascending, back = torch.sort(places)
        read = self.read(ascending.numpy())
        return torch.empty_like(read).index_copy_(0, back, read)

    def rows(self, index: Tensor) -> Tensor:
        """Some rows in memory."""
        parts = [self[part] for part in torch.split(index, self.rows_at_once)]
        return torch.cat(parts) if parts else torch.empty(0, *self.shape[1:])


Container = Tensor | RaggedTensor | StoredTensor


def joined(parts: list[Tensor]) -> Tensor:
    """All parts as one tensor; the list is empty afterwards, and each was given up as soon as it was copied."""
    if not parts:
        return torch.empty(0)
    out = torch.empty(sum(len(part) for part in parts), *parts[0].shape[1:], dtype=parts[0].dtype)
    parts.reverse()
    row = 0
    while parts:
        part = parts.pop()
        out[row : row + len(part)] = part
        row += len(part)
    return out


def rows_of(values: Container, index: Tensor) -> Tensor | RaggedTensor:
    """Some rows, in memory."""
    return values[index.to(values.device)] if isinstance(values, Tensor) else values.rows(index.to(values.device))


def identity_of_container(values: Container) -> tuple[list[str], list[Tensor]]:
    """Words and tensors that tell these values from others."""
    if isinstance(values, Tensor):
        return [], [values]
    if isinstance(values, RaggedTensor):
        return [], [values.values, values.offsets]
    return [values.identity], []
