"""Blocks of columns and levels of an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis.errors import BranchNotFoundError, ExpressionError
from analysis.io.pandas_frames import Block, Frame, Level


@pytest.fixture
def file(tmp_path: Path) -> Any:
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        opened["floats"], opened["flags"] = np.arange(8.0).reshape(4, 2), np.array([[1], [0], [2], [0]], "i1")
        opened["text"] = np.zeros((4, 1))
        yield opened


def test_columns_of_all_blocks_by_name(file: Any) -> None:
    blocks = (
        Block(file["floats"], "", ("a", "b")),
        Block(file["flags"], "", ("c",), boolean=True),
        Block(file["text"], "", ("d",), problem="text"),
    )
    frame = Frame("a.h5", 4, blocks)
    assert frame.columns == ("a", "b", "c", "d")
    np.testing.assert_array_equal(frame.read(["c", "b"], 1, 3), [[0, 3], [1, 5]])
    found = dict(frame.members())
    assert found["c"].read(0, 4).values.tolist() == [True, False, True, False]
    with pytest.raises(ExpressionError, match="'d' holds text"):
        frame.read(["d"])
    with pytest.raises(BranchNotFoundError, match="'e'"):
        frame.read(["a", "e"])


def test_levels_have_values_by_label_and_missing_ones(file: Any) -> None:
    file["labels"], file["values"] = np.array([1, -1, 0], "i1"), np.array([10, 20])
    column = Level(file["labels"], file["values"]).read(0, 3)
    assert column.missing is not None
    assert column.missing.tolist() == [False, True, False]
    assert column.values[[0, 2]].tolist() == [20, 10]
    file["wrong"] = np.array([5], "i1")
    with pytest.raises(ValueError, match="outside of its values"):
        Level(file["wrong"], file["values"]).read(0, 1)
