"""The parts of an expression: each names the branches that it reads and evaluates itself on a chunk."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AmbiguousNameError, BranchNotFoundError, ExpressionError, nearest
from analysis.expressions.chunk import Chunk
from analysis.expressions.column import Column, Operand, Scalar, aligned, elementwise, length_of


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
        return self.value

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
    """A function applied element by element, in double precision or in 64-bit integers."""

    function: Callable[..., Any]
    operands: tuple[Node, ...]

    def evaluate(self, chunk: Chunk) -> Operand:
        """The result, of the common shape of the operands."""
        return elementwise(self.function, *(widened(o.evaluate(chunk)) for o in self.operands))

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of the operands."""
        for operand in self.operands:
            yield from operand.branches(available)


@dataclass(frozen=True)
class Logic(Operation):
    """`and`, `or`, `not` of truth values in three-valued logic.

    False and missing is False, True or missing is True; otherwise what is missing stays missing.
    """

    def evaluate(self, chunk: Chunk) -> Operand:
        """The truth value, of the common shape of the operands."""
        operands = [_truth(o.evaluate(chunk)) for o in self.operands]
        if len(operands) == 1:
            return elementwise(self.function, *operands)
        # Two at a time: a third argument of a ufunc is the array that it writes into.
        return functools.reduce(self._pair, operands)

    def _pair(self, left: Operand, right: Operand) -> Operand:
        result = elementwise(self.function, left, right)
        if not isinstance(result, Column) or result.missing is None:
            return result
        decisive = self.function is np.logical_or
        decided = np.zeros(result.values.shape, dtype=bool)
        for values, missing in zip(*aligned(left, right)[:2], strict=True):
            decides = np.equal(values, decisive)
            decided |= decides if missing is None else decides & ~missing
        return Column(np.where(decided, decisive, result.values), result.missing & ~decided, result.offsets)


@dataclass(frozen=True)
class Reduction:
    """A list of every event reduced to one value."""

    ufunc: np.ufunc
    empty: Scalar | None
    of: Node

    def evaluate(self, chunk: Chunk) -> Operand:
        """One value per event; an empty list gives `empty`, or is missing if that is None."""
        value = self.of.evaluate(chunk)
        logical = self.ufunc in (np.logical_or, np.logical_and)
        return _column(_truth(value) if logical else widened(value)).reduce(self.ufunc, empty=self.empty)

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of the list."""
        yield from self.of.branches(available)


@dataclass(frozen=True)
class Count:
    """Number of elements per event, of a list or of a collection."""

    of: Node

    def evaluate(self, chunk: Chunk) -> Operand:
        """64-bit counts."""
        return Column(_column(self._list(chunk.names).evaluate(chunk)).counts)

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
        condition = _truth(self.condition.evaluate(chunk))
        then, otherwise = (widened(n.evaluate(chunk)) for n in (self.then, self.otherwise))
        if length_of(condition, then, otherwise) is None:
            return elementwise(np.where, condition, then, otherwise)
        values, missing, offsets = aligned(condition, then, otherwise)
        absent = np.where(values[0], *(False if m is None else m for m in missing[1:]))
        if missing[0] is not None:
            absent = absent | missing[0]
        result = np.where(*values)
        absent = np.broadcast_to(absent, result.shape)
        return Column(result, absent if absent.any() else None, offsets)

    def branches(self, available: Collection[str]) -> Iterator[str]:
        """Those of the three."""
        for node in (self.condition, self.then, self.otherwise):
            yield from node.branches(available)


class Fields(dict[str, str]):
    """Branches of a collection by their field in lower case; AmbiguousNameError where two differ in case only."""

    def __init__(self, collection: str, available: Collection[str]) -> None:
        prefix = f"{collection}_"
        self._spellings: dict[str, list[str]] = {}
        for name in available:
            if name.startswith(prefix):
                self._spellings.setdefault(name[len(prefix) :].lower(), []).append(name)
        super().__init__({field: names[0] for field, names in self._spellings.items()})

    def __getitem__(self, field: str) -> str:
        names = self._spellings[field]
        if len(names) > 1:
            listed = " or ".join(f"'{name}'" for name in names)
            raise AmbiguousNameError(
                f"The field '{field}' could be {listed}. Write the branch that is meant out instead of its collection, "
                "or remove the other from the file."
            )
        return names[0]


def fields_of(collection: str, available: Collection[str]) -> Fields:
    """Branches `collection_*` by their field in lower case."""
    return Fields(collection, available)


def widened(operand: Operand) -> Operand:
    """Integers as 64 bits with a sign, floats in double precision: narrow unsigned counters must not wrap."""
    if not isinstance(operand, Column):
        return operand
    return Column(_wide(operand.values), operand.missing, operand.offsets)


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    kind = values.dtype.kind
    if kind == "f":
        return values.astype(np.float64, copy=False)
    if kind == "b" or (kind == "u" and values.dtype.itemsize == 8 and (values > np.iinfo(np.int64).max).any()):
        return values
    return values.astype(np.int64, copy=False)


def _truth(operand: Operand) -> Operand:
    if isinstance(operand, bool) or (isinstance(operand, Column) and operand.is_boolean):
        return operand
    raise ExpressionError(
        "and, or, not, &, |, ~, any, all and where act on conditions; compare the number with something, for example "
        "'nFatJet > 0', and put each comparison around & or | in parentheses."
    )


def _column(operand: Operand) -> Column:
    if isinstance(operand, Column):
        return operand
    raise ExpressionError(f"A list per event is needed, not the number {operand}.")
