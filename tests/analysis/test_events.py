"""Columns of events by name: of feature vectors, and of constituents, whose columns are those of every particle."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import AnalysisError
from analysis.events import Events


def test_a_feature_of_constituents_is_that_of_every_constituent() -> None:
    """Not the second jet, which has the position that eta has among the columns."""
    x = np.random.default_rng(1).normal(size=(5, 2, 7, 3)).astype(np.float32)
    events = Events(x=x, mass=np.ones(5), columns=("pt", "eta", "phi"))
    for i, name in enumerate(events.columns):
        np.testing.assert_array_equal(events.feature(name), x[:, :, :, i])
    assert events.feature("eta").shape == (5, 2, 7)


def test_a_feature_of_vectors_is_one_number_per_event() -> None:
    events = Events(x=np.arange(6).reshape(3, 2), mass=np.ones(3), columns=("a", "b"))
    assert events.feature("b").tolist() == [1, 3, 5]
    with pytest.raises(AnalysisError, match="No feature 'c'; there are a, b"):
        events.feature("c")


def test_columns_that_are_not_those_of_the_last_axis_are_refused() -> None:
    events = Events(x=np.zeros((4, 2, 5)), mass=np.ones(4), columns=("pt", "eta"))
    with pytest.raises(AnalysisError, match=r"last axis of x \(4, 2, 5\) has 5 places"):
        events.feature("pt")
