"""The parts of an expression: each names the branches that it reads and evaluates itself on a chunk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from analysis.errors import BranchNotFoundError, ExpressionError, nearest
from analysis.expressions import arithmetic
from analysis.expressions.chunk import Chunk
from analysis.expressions.column import (
    Column,
    Operand,
    Scalar,
    Values,
    aligned,
    elementwise,
    length_of,
    widened,
)
from analysis.expressions.fields import fields_of
from analysis.expressions.logic import condition


class Node(Protocol):
    """A part of an expression."""

    def evaluate(self, chunk: Chunk) -> Operand:
        """Value on a chunk of entries."""
        ...

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Identifiers that it reads, out of those that are available."""
        ...


@dataclass(frozen=True)
class Constant:
    """A number or a truth value."""

    value: Scalar

    def evaluate(self, chunk: Chunk) -> Operand:
        """The number itself."""
        return arithmetic.constant(self.value)

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """None."""
        yield from ()


@dataclass(frozen=True)
class Branch:
    """A branch by its identifier."""

    name: str

    def evaluate(self, chunk: Chunk) -> Operand:
        """The column of that name."""
        return chunk.column(self.name)

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """The name, if there is such a branch."""
        if self.name not in available:
            fields = fields_of(self.name, available)
            if fields:
                raise ExpressionError(
                    f"'{self.name}' is a collection, not a branch; name one of its branches, such as "
                    f"'{sorted(fields.values())[0]}', or give it to a function of jets."
                )
            raise BranchNotFoundError(f"No branch '{self.name}'. {nearest(self.name, available)}")
        yield self.name


@dataclass(frozen=True)
class Element:
    """The element of a list at a fixed position, counted from the end if negative."""

    of: Node
    index: int

    def evaluate(self, chunk: Chunk) -> Operand:
        """One value per event, missing where the list is shorter."""
        return _column(self.of.evaluate(chunk)).element(self.index)

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of the list."""
        yield from self.of.branches(available)


@dataclass(frozen=True)
class Selected:
    """The elements of a list that meet a condition."""

    of: Node
    condition: Node

    def evaluate(self, chunk: Chunk) -> Operand:
        """Shorter lists."""
        return _column(self.of.evaluate(chunk)).where(_column(self.condition.evaluate(chunk)))

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of the list and of the condition."""
        yield from self.of.branches(available)
        yield from self.condition.branches(available)


@dataclass(frozen=True)
class Operation:
    """A function applied element by element."""

    function: Callable[..., Values]
    operands: tuple[Node, ...]

    def evaluate(self, chunk: Chunk) -> Operand:
        """The result, of the common shape of the operands."""
        return elementwise(self.function, *(o.evaluate(chunk) for o in self.operands))

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of the operands."""
        for operand in self.operands:
            yield from operand.branches(available)


@dataclass(frozen=True)
class Unary:
    """A function of one operand that looks at whether it is missing, or a condition."""

    function: Callable[[Operand], Operand]
    of: Node

    def evaluate(self, chunk: Chunk) -> Operand:
        """Of the shape of the operand."""
        return self.function(self.of.evaluate(chunk))

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of the operand."""
        yield from self.of.branches(available)


@dataclass(frozen=True)
class Chain:
    """Operations of two operands one after another, from the left: `a + b - c`, `a and b and c`.

    One node for all of them, so that a long chain is a loop: a ufunc takes two operands, and Python recurses only so
    deep.
    """

    first: Node
    steps: tuple[tuple[Callable[[Operand, Operand], Operand], Node], ...]

    def evaluate(self, chunk: Chunk) -> Operand:
        """The result, of the common shape of the operands."""
        result = self.first.evaluate(chunk)
        for combine, operand in self.steps:
            result = combine(result, operand.evaluate(chunk))
        return result

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of the operands."""
        yield from self.first.branches(available)
        for _, operand in self.steps:
            yield from operand.branches(available)


@dataclass(frozen=True)
class Reduction:
    """A list of every event reduced to one value."""

    name: str
    function: Callable[[Column], Column]
    of: Node

    def evaluate(self, chunk: Chunk) -> Operand:
        """One value per event."""
        operand = self.of.evaluate(chunk)
        if not isinstance(operand, Column) or operand.offsets is None:
            raise ExpressionError(f"{self.name} of one argument reduces the list of an event, not one value.")
        return self.function(replace(operand, values=widened(operand)))

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of the list."""
        yield from self.of.branches(available)


@dataclass(frozen=True)
class Count:
    """Number of elements per event, of a list or of a collection."""

    of: Node

    def evaluate(self, chunk: Chunk) -> Operand:
        """64-bit counts, missing for an event without a list."""
        column = _column(self._list(chunk.names).evaluate(chunk))
        return Column(column.counts, column.unlisted)

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of the list, or one branch of the collection."""
        yield from self._list(available).branches(available)

    def _list(self, available: Collection[str]) -> Node:
        if isinstance(self.of, Branch) and self.of.name not in available:
            fields = fields_of(self.of.name, available)
            if fields:
                return Branch(fields["pt"] if "pt" in fields else min(fields.values()))
        return self.of


@dataclass(frozen=True)
class Where:
    """`where(condition, a, b)`: a where the condition holds, else b; what is not taken may be missing."""

    condition: Node
    then: Node
    otherwise: Node

    def evaluate(self, chunk: Chunk) -> Operand:
        """Of the common shape of the three."""
        chosen = condition(self.condition.evaluate(chunk))
        operands = (chosen, self.then.evaluate(chunk), self.otherwise.evaluate(chunk))
        if length_of(*operands) is None:
            return elementwise(arithmetic.where, *operands)
        shape = aligned(*operands)
        absent = np.where(shape.values[0], *(False if m is None else m for m in shape.missing[1:]))
        if shape.missing[0] is not None:
            absent = absent | shape.missing[0]
        result = arithmetic.where(*shape.values)
        return shape.column(result, np.broadcast_to(absent, result.shape))

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of the three."""
        for node in (self.condition, self.then, self.otherwise):
            yield from node.branches(available)


@dataclass(frozen=True)
class Default:
    """`default(x, y)`: y where x is missing; an event without a list gets an empty one."""

    of: Node
    instead: Node

    def evaluate(self, chunk: Chunk) -> Operand:
        """Of the common shape of the two."""
        of, instead = self.of.evaluate(chunk), self.instead.evaluate(chunk)
        if isinstance(of, Column) and of.unlisted is not None:
            of = replace(of, unlisted=None)
        if length_of(of, instead) is None:
            return elementwise(lambda x, y: arithmetic.where(np.array([True]), x, y), of, instead)
        shape = aligned(of, instead)
        absent = np.zeros(1, dtype=bool) if shape.missing[0] is None else shape.missing[0]
        result = arithmetic.where(~absent, *shape.values)
        missing = None if shape.missing[1] is None else np.broadcast_to(absent & shape.missing[1], result.shape)
        return shape.column(result, missing)

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of both."""
        yield from self.of.branches(available)
        yield from self.instead.branches(available)


def missing(operand: Operand) -> Operand:
    """Whether each value is missing; itself never missing."""
    if not isinstance(operand, Column):
        return np.zeros(1, dtype=bool)
    absent = np.zeros(len(operand.values), dtype=bool) if operand.missing is None else operand.missing
    return Column(absent, None, operand.offsets, operand.unlisted)


def _column(operand: Operand) -> Column:
    if isinstance(operand, Column):
        return operand
    raise ExpressionError(f"A list per event is needed, not the number {operand.item()}.")
