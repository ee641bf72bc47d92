"""Nodes on a chunk of three events, against values worked out by hand."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest

from analysis.errors import BranchNotFoundError, ExpressionError
from analysis.expressions import arithmetic
from analysis.expressions.chunk import Chunk
from analysis.expressions.nodes import (
    Branch,
    Chain,
    Constant,
    Count,
    Default,
    Element,
    Operation,
    Selected,
    Where,
    missing,
)

CHUNK = Chunk({"met": np.array([10.0, 20.0, 30.0]), "Jet_pt": ak.Array([[5.0, 3.0], [], [7.0]])})


def values(operand: Any) -> list[float | None]:
    gone = [False] * len(operand) if operand.missing is None else operand.missing
    return [None if m else v for v, m in zip(operand.values.tolist(), gone, strict=True)]


def test_elements_are_missing_where_the_list_is_shorter() -> None:
    assert values(Element(Branch("Jet_pt"), 0).evaluate(CHUNK)) == [5.0, None, 7.0]
    assert values(Element(Branch("Jet_pt"), -1).evaluate(CHUNK)) == [3.0, None, 7.0]
    assert values(Element(Branch("Jet_pt"), 1).evaluate(CHUNK)) == [3.0, None, None]


def test_selected_elements() -> None:
    hard = Operation(arithmetic.comparison(np.greater), (Branch("Jet_pt"), Constant(4)))
    selected: Any = Selected(Branch("Jet_pt"), hard).evaluate(CHUNK)
    assert selected.values.tolist() == [5.0, 7.0]
    assert selected.counts.tolist() == [1, 0, 1]


def test_count_of_a_list_and_of_a_collection() -> None:
    assert values(Count(Branch("Jet_pt")).evaluate(CHUNK)) == [2, 0, 1]
    assert values(Count(Branch("Jet")).evaluate(CHUNK)) == [2, 0, 1]


def test_what_is_not_taken_may_be_missing() -> None:
    leading = Element(Branch("Jet_pt"), 0)
    there = Operation(arithmetic.comparison(np.less), (Branch("met"), Constant(15)))
    assert values(Where(there, leading, Branch("met")).evaluate(CHUNK)) == [5.0, 20.0, 30.0]
    assert values(Default(leading, Constant(0.0)).evaluate(CHUNK)) == [5.0, 0.0, 7.0]
    assert values(missing(leading.evaluate(CHUNK))) == [False, True, False]


def test_a_chain_runs_from_the_left() -> None:
    minus = lambda a, b: Operation(arithmetic.subtract, (Given(a), Given(b))).evaluate(CHUNK)  # noqa: E731
    chain = Chain(Constant(10), ((minus, Constant(3)), (minus, Constant(2))))
    assert chain.evaluate(CHUNK) == 5


class Given:
    def __init__(self, value: Any) -> None:
        self.value = value

    def evaluate(self, chunk: Chunk) -> Any:
        return self.value

    def branches(self, available: Any) -> Any:
        yield from ()


def test_branches_that_are_read_and_those_that_are_not_there() -> None:
    node = Where(Branch("met"), Element(Branch("Jet_pt"), 0), Constant(1))
    assert list(node.branches(CHUNK.names)) == ["met", "Jet_pt"]
    with pytest.raises(ExpressionError, match="is a collection"):
        list(Branch("Jet").branches(CHUNK.names))
    with pytest.raises(BranchNotFoundError, match="met"):
        list(Branch("mett").branches(CHUNK.names))
