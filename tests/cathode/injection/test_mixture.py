"""Data with signal among them: nothing is lost, nothing is confused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cathode.errors import InjectionError
from cathode.injection.mixture import injected

from ..toys import toy_events

DATA = dataclasses.replace(toy_events(500, seed=1), weights=np.full(500, 2.0))
SIGNAL = toy_events(0, signal=80, seed=2)


def test_all_data_and_so_many_signal_events_are_there_once() -> None:
    both = injected(DATA, SIGNAL, 30, seed=5)
    assert both.truth is not None
    assert len(both) == 530
    assert both.truth.sum() == 30
    assert len(np.unique(both.ids, axis=0)) == 530
    np.testing.assert_array_equal(np.sort(both.mass[~both.truth]), np.sort(DATA.mass))
    assert np.isin(both.mass[both.truth], SIGNAL.mass).all()
    assert len(np.unique(both.mass[both.truth])) == 30
    assert (both.weights == 2.0).all()


def test_other_seeds_take_other_events_and_the_same_seed_the_same() -> None:
    one, again, other = (injected(DATA, SIGNAL, 30, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.mass, again.mass)
    assert not np.array_equal(one.mass, other.mass)
    assert len(injected(DATA, SIGNAL, 0, seed=1)) == 500


def test_too_many_events_and_other_features_are_refused() -> None:
    with pytest.raises(InjectionError, match="of 80 that pass"):
        injected(DATA, SIGNAL, 81, seed=1)
    with pytest.raises(InjectionError, match="features"):
        injected(DATA, dataclasses.replace(SIGNAL, columns=("a", "b", "c")), 3, seed=1)
