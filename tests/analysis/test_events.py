"""Columns of events by name: of feature vectors, and of constituents, whose columns are those of every particle."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from analysis import read_events
from analysis.errors import AnalysisError, NonFiniteError
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


class TestConditions:
    """What is given of an event beside its mass."""

    @staticmethod
    def events(first: int, last: int) -> Events:
        n = np.arange(first, last, dtype=float)
        return Events(n[:, None], n + 100, ("a",), conditions={"angle": n / 10, "kind": n % 3})

    def test_are_columns_of_the_context_after_the_mass(self) -> None:
        events = self.events(0, 4)
        assert events.context.tolist() == [[100, 0, 0], [101, 0.1, 1], [102, 0.2, 2], [103, 0.3, 0]]
        assert events[[2, 0]].context.tolist() == [[102, 0.2, 2], [100, 0, 0]]

    def test_go_along_where_events_are_joined(self) -> None:
        parts = [self.events(0, 3), Events(np.empty((0, 1)), np.empty(0), ("a",)), self.events(3, 7)]
        whole = Events.concatenate(parts)
        assert whole.context.tolist() == self.events(0, 7).context.tolist()
        assert len(parts) == 3

    def test_of_other_names_or_lengths_or_without_a_value_are_refused(self) -> None:
        events = self.events(0, 3)
        plain = Events(events.x, events.mass, ("a",))
        with pytest.raises(AnalysisError, match=r"conditions \(\) do not join with \('angle', 'kind'\)"):
            Events.concatenate([events, plain])
        with pytest.raises(AnalysisError, match="condition 'angle' has 2"):
            Events(events.x, events.mass, ("a",), conditions={"angle": np.zeros(2)})
        with pytest.raises(NonFiniteError, match="condition 'angle': 1 of 3"):
            Events(events.x, events.mass, ("a",), conditions={"angle": np.array([0, np.nan, 1])})

    def test_are_read_as_expressions(self, tmp_path: Path) -> None:
        mass = np.linspace(1, 2, 20)
        np.savez(tmp_path / "events.npz", m=mass, x=mass**2, theta=mass / 3)
        events = read_events(
            tmp_path / "events.npz",
            mass="m",
            features={"x": "x"},
            conditions={"angle": "theta * 2"},
            selection="m > 1.3",
            identifiers="entry",
            beam_energy=None,
        )
        assert events.context == pytest.approx(np.stack([mass, mass / 3 * 2], axis=1)[mass > 1.3])


def test_parts_are_given_up_one_by_one() -> None:
    """Whoever reads a file chunk by chunk never holds it twice."""
    alive: list[weakref.ref[Events]] = []

    def parts() -> Iterator[Events]:
        for number in range(5):
            part = Events(np.full((3, 1), number), np.ones(3), ("a",))
            alive.append(weakref.ref(part))
            yield part
            del part

    made = Events.gathered(parts())
    assert made.x[:, 0].tolist() == np.repeat(np.arange(5), 3).tolist()
    assert all(reference() is None for reference in alive)
