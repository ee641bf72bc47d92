"""What the `x` of an event is made of: expressions, or the constituents of its jets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ExpressionError
from analysis.expressions.chunk import Chunk
from analysis.selection import Expression


class Content(Protocol):
    """Turns columns into the `x` of `Events`."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the last axis."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one event."""
        ...

    def branches(self, available: Collection[str]) -> Iterable[str]:
        """Identifiers that it reads, out of those that are available; BranchNotFoundError if one is missing."""
        ...

    def positions(self, available: Collection[str]) -> Collection[str]:
        """Those of them that hold positions in a list, whatever their names are."""
        ...

    def values(self, chunk: Chunk, passing: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        """(n, *shape) of the events that are `passing`, or of all."""
        ...


@dataclass(frozen=True)
class Features:
    """One number per event and expression."""

    expressions: Mapping[str, Expression]

    def __post_init__(self) -> None:
        if not self.expressions:
            raise ExpressionError("No features are asked for; name at least one: features={'name': 'expression'}.")

    @property
    def columns(self) -> tuple[str, ...]:
        """The names."""
        return tuple(self.expressions)

    @property
    def shape(self) -> tuple[int, ...]:
        """(D,)."""
        return (len(self.expressions),)

    def branches(self, available: Collection[str]) -> Iterable[str]:
        """Those of all expressions."""
        for expression in self.expressions.values():
            yield from expression.branches(available)

    def positions(self, available: Collection[str]) -> Collection[str]:
        """None."""
        return ()

    def values(self, chunk: Chunk, passing: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        """(n, D); MissingValueError where an expression has no value."""
        n = chunk.entries if passing is None else int(np.count_nonzero(passing))
        x = np.empty((n, len(self.expressions)), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for i, (name, expression) in enumerate(self.expressions.items()):
                # By way of double precision, so that no width of a whole number is rounded another way.
                x[:, i] = expression.values(chunk, passing, name=name).astype(np.float64, copy=False)
        return x
