"""Features as the `x` of events."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import ExpressionError, MissingValueError
from analysis.expressions.chunk import Chunk
from analysis.io.contents import Features
from analysis.selection import compile_expression

CHUNK = Chunk({"a": np.array([1.0, 2.0, 3.0]), "b": np.array([10, 20, 30], dtype=np.int16)})


def features(**texts: str) -> Features:
    return Features({name: compile_expression(text) for name, text in texts.items()})


def test_one_column_for_each_expression_of_the_events_that_pass() -> None:
    content = features(ratio="b / a", big="b")
    assert content.columns == ("ratio", "big")
    assert content.shape == (2,)
    assert list(content.branches(CHUNK.names)) == ["b", "a", "b"]
    np.testing.assert_array_equal(content.values(CHUNK, np.array([True, False, True])), [[10, 10], [10, 30]])
    assert content.values(CHUNK, None).dtype == np.float32


def test_no_features_are_refused() -> None:
    with pytest.raises(ExpressionError, match="name at least one"):
        features()


def test_a_missing_value_of_a_passing_event_is_refused_with_the_name() -> None:
    import awkward as ak

    chunk = Chunk({"pt": ak.Array([[1.0], []])})
    content = features(lead="pt[0]")
    np.testing.assert_array_equal(content.values(chunk, np.array([True, False])), [[1.0]])
    with pytest.raises(MissingValueError, match="lead"):
        content.values(chunk, None)
