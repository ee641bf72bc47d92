"""Synthetic pixel events: rates follow the condition, sensors of an event belong together, files repeat."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from analysis.datasets.pxd import read_pixels
from analysis.errors import SimulationError
from analysis.metrics.pixels import sensor_correlations
from analysis.pixels import PXD, PXD_SMALL
from analysis.simulation.pixels import draw_conditions, pixel_event, sensor_rates, simulate_pixels


def test_a_full_event_is_nearly_empty_and_has_the_charges_of_a_readout() -> None:
    conditions = np.array([1.0, 1.0])
    made = [pixel_event(PXD, conditions, seed=1, event=number) for number in range(3)]
    occupancy = np.mean([one.occupancies()[0] for one in made], axis=0)
    assert (occupancy < 0.03).all()
    adu = np.concatenate([one.adu for one in made])
    assert adu.min() == 7
    assert 0 < (adu == 255).mean() < 0.05


def test_rates_are_linear_in_the_condition_and_higher_inside() -> None:
    usual = sensor_rates(PXD, np.array([1.0, 1.0]))
    assert sensor_rates(PXD, np.array([2.0, 2.0])) == pytest.approx(2 * usual)
    assert usual[:16].mean() / usual[16:].mean() == pytest.approx((22 / 14) ** 2)


def test_sensors_of_an_event_are_correlated_and_sensors_of_different_events_are_not() -> None:
    usual = np.array([1.0, 1.0])
    x = np.concatenate([pixel_event(PXD_SMALL, usual, seed=2, event=n).occupancies() for n in range(300)])
    found = sensor_correlations(x)[np.triu_indices(40, 1)].mean()
    assert found > 0.3
    # The mean of log-normal factors.
    due = sensor_rates(PXD_SMALL, usual).mean() * np.exp((0.4**2 + 0.1**2) / 2)
    assert x.mean() / due == pytest.approx(1, abs=0.1)
    rng = np.random.default_rng(3)
    apart = np.stack([rng.permutation(column) for column in x.T], axis=1)
    assert abs(sensor_correlations(apart)[np.triu_indices(40, 1)].mean()) < 0.02


def test_a_file_repeats_with_its_seed_and_is_read_in_parts(tmp_path: Path) -> None:
    done: list[int] = []
    one, two, other = (
        simulate_pixels(
            4, seed=seed, output=tmp_path / f"{name}.h5", detector="pxd-small", progress=lambda n, _: done.append(n)
        )
        for name, seed in (("one", 5), ("two", 5), ("other", 6))
    )
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (one, two, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert done[:4] == [1, 2, 3, 4]
    events, condition = read_pixels(one, 1, 3)
    assert np.array_equal(condition, draw_conditions(4, seed=5)[1:3])
    for place in range(2):
        alone = pixel_event(PXD_SMALL, condition[place], seed=5, event=place + 1)
        assert np.array_equal(events.images()[place], alone.images()[0])


def test_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="pxd-small"):
        simulate_pixels(1, seed=1, output=tmp_path / "x.h5", detector="pdx")
    with pytest.raises(SimulationError, match="0 events"):
        simulate_pixels(0, seed=1, output=tmp_path / "x.h5")
