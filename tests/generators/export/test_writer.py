"""A graph of ONNX while it is written."""

from __future__ import annotations

import pytest
import torch

from generators.export.tape import Rows
from generators.export.writer import Operand, Writer

pytest.importorskip("onnx")


def test_equal_constants_are_one_and_types_keep_them_apart() -> None:
    w = Writer("x")
    one = w.constant(1.0, torch.float64)
    assert w.constant(torch.tensor(1.0), torch.float64) == one
    assert len({one, w.constant(1.0, torch.float32), w.constant([1.0], torch.float64), w.integers(1)}) == 4


def test_sizes_that_follow_the_rows_are_computed_once() -> None:
    w = Writer("x")
    first = w.sizes([Rows(1, 2), 3])
    kinds = [node.op_type for node in w.nodes]
    assert kinds == ["Shape", "Mul", "Add", "Concat"]
    assert w.sizes([Rows(1, 2), 3]) == first
    assert len(w.nodes) == 4
    assert w.sizes([4, 3]) == w.integers(4, 3)


def test_a_cast_to_the_same_type_and_a_factor_of_one_write_nothing() -> None:
    w = Writer("x")
    x = Operand("x", torch.float64, (Rows(0, 1), 2))
    assert w.cast(x, torch.float64) == w.times("x", 1, torch.float64) == "x"
    assert w.nodes == []
    assert w.kind(w.cast(x, torch.float32)) == "Cast"
    assert w.kind("x") is None


def test_one_size_that_follows_the_rows_needs_no_shape() -> None:
    w = Writer("x")
    w.reshape("x", (Rows(0, 3), 4))
    assert [node.op_type for node in w.nodes] == ["Reshape"]
    assert w.constants[w.nodes[0].input[1]].tolist() == [-1, 4]
