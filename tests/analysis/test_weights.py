from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.metrics.distances import sliced_distances
from analysis.metrics.sic_and_auc import auc, roc, sic
from analysis.statistics.local_density import local_density
from analysis.statistics.sculpting import sculpting_test
from analysis.statistics.spectrum import fit_spectrum
from analysis.weights import mean_size, standardised, sum_and_unit, unit

HOLE = (3300.0, 3700.0)
EXACT = [2.0, 2.0**-40, 2.0**900, 2.0**-980]
UNITS = [*EXACT, 1e-3, 137.035, 1e-300, 1e290]


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    rng = np.random.default_rng(4)
    return rng.choice([-1.0, 1.0, 2.0, 3.0], 4000, p=[0.1, 0.5, 0.2, 0.2])


@pytest.fixture(scope="module")
def mass() -> np.ndarray:
    drawn = 2400 - 700 * np.log(np.random.default_rng(5).random(8000))
    return drawn[((drawn < HOLE[0]) | (drawn >= HOLE[1])) & (drawn < 9000)][:4000]


@pytest.mark.parametrize("factor", UNITS)
def test_standardised_weights_do_not_know_their_unit(weights: np.ndarray, factor: float) -> None:
    np.testing.assert_array_equal(standardised(weights * factor), standardised(weights))
    np.testing.assert_allclose(standardised(weights), weights / np.abs(weights).mean(), rtol=1e-7)


@pytest.mark.parametrize("value", [1.0, 0.1, 137.035, 5e-324, 1e-310, 1.7e308])
@pytest.mark.parametrize("count", [1, 3, 1001])
def test_equal_weights_are_exactly_one(value: float, count: int) -> None:
    np.testing.assert_array_equal(standardised(np.full(count, value)), 1.0)
    np.testing.assert_array_equal(standardised(np.full(count, -value)), -1.0)
    assert mean_size(np.full(count, value)) == value


@pytest.mark.parametrize("weights", [np.empty(0), np.zeros(4)])
def test_nothing_stays_nothing(weights: np.ndarray) -> None:
    np.testing.assert_array_equal(standardised(weights), weights)
    assert unit(weights) == mean_size(weights) == 1.0


@pytest.mark.parametrize("factor", UNITS)
def test_a_typical_weight_has_the_unit_of_the_weights(weights: np.ndarray, factor: float) -> None:
    total, typical = sum_and_unit(weights * factor)
    assert total == pytest.approx(weights.sum() * factor)
    assert typical == pytest.approx((weights**2).sum() / weights.sum() * factor)


def _auc(w: np.ndarray, mass: np.ndarray) -> Any:
    found = auc(np.sin(mass), mass > 3000, w)
    return found.value, found.error


def _roc(w: np.ndarray, mass: np.ndarray) -> Any:
    found = roc(np.sin(mass), mass > 3000, w)
    return found.signal_error, found.background_error, found.background_count


def _sic(w: np.ndarray, mass: np.ndarray) -> Any:
    found = sic(np.sin(mass), mass > 3000, w)
    return found.value, found.error


def _distances(w: np.ndarray, mass: np.ndarray) -> Any:
    found = sliced_distances(mass[:, None], mass[:2000, None] + 3, x_weights=w, y_weights=w[:2000], seed=1)
    return found.wasserstein, found.energy


def _sculpting(w: np.ndarray, mass: np.ndarray) -> Any:
    found = sculpting_test(mass, np.sin(mass * 100) > 0.3, weights=w, bins=10)
    return found.chi2, found.ratio, found.error


@pytest.mark.parametrize("measure", [_auc, _roc, _sic, _distances, _sculpting])
@pytest.mark.parametrize("factor", UNITS)
def test_no_measure_depends_on_the_unit(
    measure: Callable[[np.ndarray, np.ndarray], Any], weights: np.ndarray, mass: np.ndarray, factor: float
) -> None:
    found, expected = measure(weights * factor, mass), measure(weights, mass)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0 if factor in EXACT else 1e-9, atol=1e-13)


@pytest.mark.parametrize("factor", UNITS)
@pytest.mark.parametrize("fit", [fit_spectrum, local_density])
def test_shapes_of_spectra_are_the_same_to_the_last_bit(
    fit: Callable[..., Any], weights: np.ndarray, mass: np.ndarray, factor: float
) -> None:
    one, other = fit(mass, HOLE, weights=np.abs(weights)), fit(mass, HOLE, weights=np.abs(weights) * factor)
    grid = np.linspace(3000, 4000, 50)
    np.testing.assert_array_equal(one.shape(grid), other.shape(grid))
    np.testing.assert_allclose(other.density(grid), one.density(grid) * factor, rtol=1e-12)
    np.testing.assert_allclose(other.integral(*HOLE), np.multiply(one.integral(*HOLE), factor), rtol=1e-12)
    back = type(other).from_dict(other.to_dict())
    np.testing.assert_array_equal(back.density(grid), other.density(grid))


def test_weighted_events_give_the_spectrum_of_repeated_ones(mass: np.ndarray) -> None:
    twice, repeated = fit_spectrum(mass, HOLE, weights=np.full(len(mass), 2.0)), fit_spectrum(mass, HOLE)
    assert twice.integral(*HOLE)[0] == 2 * repeated.integral(*HOLE)[0]
    assert twice.chi2 == repeated.chi2
    values, plain = twice.parameters[0], repeated.parameters[0]
    assert values[0] == pytest.approx(plain[0] + np.log(2), rel=1e-12)
    np.testing.assert_array_equal(values[1:], plain[1:])
