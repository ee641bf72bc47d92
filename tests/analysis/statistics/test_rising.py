"""A spectrum that falls or is flat is hardly ever said to rise; one that turns on is."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.statistics.rising import largest_rise

LOW, HIGH = 1_000.0, 1_200.0


def test_flat_spectra_rise_by_chance_only() -> None:
    """The worst case of all spectra that do not rise; 1,000 samples, so that 1 % has an error of 0.3 %."""
    rng = np.random.default_rng(1)
    found = [largest_rise(rng.uniform(LOW, HIGH, 400), LOW, HIGH) for _ in range(1_000)]
    fired = np.mean([each is not None and each.p_value < 0.01 for each in found])
    assert fired < 0.02


def test_a_turn_on_is_seen_and_where() -> None:
    rng = np.random.default_rng(2)
    mass = rng.uniform(LOW, HIGH, 20_000)
    mass = mass[rng.random(len(mass)) < 1 / (1 + np.exp(-(mass - 1_060) / 15))]
    found = largest_rise(mass, LOW, HIGH)
    assert found is not None
    assert found.p_value < 1e-10
    assert found.low < 1_060 < found.high


def test_the_unit_of_the_weights_does_not_matter() -> None:
    mass = np.random.default_rng(3).uniform(LOW, HIGH, 500)
    one, other = (largest_rise(mass, LOW, HIGH, weights=np.full(500, w)) for w in (1.0, 1e-30))
    assert one is not None
    assert other is not None
    assert one.z == pytest.approx(other.z) == pytest.approx(largest_rise(mass, LOW, HIGH).z)  # type: ignore[union-attr]


def test_nothing_inside_is_no_rise() -> None:
    assert largest_rise(np.array([5.0]), LOW, HIGH) is None
