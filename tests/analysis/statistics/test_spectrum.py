from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from analysis.errors import SpectrumError
from analysis.statistics.binning import Bins, sideband_bins
from analysis.statistics.dijet_fit import SpectrumFit, fit_bins
from analysis.statistics.local_density import LocalDensity, local_density
from analysis.statistics.loglinear import LogLinearLikelihood
from analysis.statistics.spectrum import CASE_EDGES, choose_function, fit_spectrum

HOLE = (3300.0, 3700.0)
GRID = np.linspace(2600.0, 12_000.0, 40_001)


def dijet(mass: np.ndarray, p1: float = 9.0, p2: float = 5.0, p3: float = 0.4, p4: float = 0.0) -> np.ndarray:
    x = mass / 13_000.0
    return (1 - x) ** p1 / x ** (p2 + p3 * np.log(x) + p4 * np.log(x) ** 2)


def cumulative(density: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(GRID))])


def draw(rng: np.random.Generator, density: np.ndarray, events: float) -> np.ndarray:
    total = cumulative(density)
    return np.interp(rng.random(rng.poisson(events)), total / total[-1], GRID)


def outside(mass: np.ndarray) -> np.ndarray:
    return (mass < HOLE[0]) | (mass >= HOLE[1])


def in_hole(density: np.ndarray, events: float) -> float:
    total = cumulative(density)
    return float(events * np.diff(np.interp(HOLE, GRID, total))[0] / total[-1])


def asimov(edges: np.ndarray, parameters: tuple[float, ...], events: float = 1e6) -> Bins:
    low, high = edges[:-1], edges[1:]
    nodes, weights = np.polynomial.legendre.leggauss(40)
    at = 0.5 * (high + low)[:, None] + 0.5 * (high - low)[:, None] * nodes
    content = (dijet(at, *parameters) * weights).sum(axis=1) * 0.5 * (high - low)
    content *= events / content.sum()
    return Bins(low, high, content, content)


@pytest.mark.parametrize("bins_per_octave", [4, 30])
def test_exact_contents_give_back_the_parameters_however_wide_the_bins(bins_per_octave: int) -> None:
    edges = np.geomspace(2600, 9000, int(np.log2(9000 / 2600) * bins_per_octave) + 2)
    fit = fit_bins(asimov(edges, (9.0, 5.0, 0.4)), "f3")
    values, covariance = fit.parameters
    assert values[1:] == pytest.approx([9.0, 5.0, 0.4], rel=1e-4)
    assert fit.chi2 < 1e-6
    correlation = covariance[1, 2] / np.sqrt(covariance[1, 1] * covariance[2, 2])
    assert abs(correlation) > 0.95, "the reason for the centred basis"
    assert np.linalg.cond(fit.covariance) < 20
    # The published form, evaluated with the published parameters, is the density that was fitted.
    x = np.array([2700.0, 3500.0, 8000.0]) / 13_000
    published = np.exp(values[0]) * (1 - x) ** values[1] / x ** (values[2] + values[3] * np.log(x))
    assert fit.density(13_000 * x) == pytest.approx(published, rel=1e-9)


def test_gradient_and_covariance_are_derivatives_of_the_likelihood() -> None:
    bins = asimov(np.geomspace(2600, 8000, 30), (9.0, 5.0, 0.4), events=1e5)
    fit = fit_bins(bins, "f3")
    likelihood = LogLinearLikelihood.of(bins, fit._terms)
    at, step = fit.coefficients + 0.3, 1e-4
    unit = np.eye(4) * step
    numeric = [(likelihood.value(at + u) - likelihood.value(at - u)) / (2 * step) for u in unit]
    assert likelihood.gradient(at) == pytest.approx(numeric, rel=1e-5, abs=1e-5)
    theta = fit.coefficients
    hessian = [(likelihood.gradient(theta + u) - likelihood.gradient(theta - u)) / (2 * step) for u in unit]
    assert fit.covariance == pytest.approx(np.linalg.inv(hessian), rel=1e-4, abs=1e-5)


def test_parameters_that_bins_can_not_tell_apart_are_named() -> None:
    bins = asimov(np.geomspace(2000, 6000, 20), (9.0, 5.0, 0.4))
    fit = fit_bins(bins, "f3")
    constant = LogLinearLikelihood.of(bins, lambda mass: np.zeros_like(fit._terms(mass)))
    with pytest.raises(SpectrumError, match="4 parameters of the spectrum can not be told apart in 19 bins"):
        constant.covariance(np.zeros(4))


def test_integral_is_the_integral_of_the_density_and_its_error_is_propagated() -> None:
    fit = fit_bins(asimov(np.geomspace(2600, 8000, 30), (9.0, 5.0, 0.4), events=1e5), "f3")
    mass = np.linspace(*HOLE, 2001)
    value, error = fit.integral(*HOLE)
    assert value == pytest.approx(np.trapezoid(fit.density(mass), mass), rel=1e-6)
    shifted = []
    for i, sigma in enumerate(np.sqrt(np.linalg.eigvalsh(fit.covariance))):
        direction = np.linalg.eigh(fit.covariance)[1][:, i] * sigma
        density = np.exp(fit._terms(mass) @ (fit.coefficients + direction))
        shifted.append(np.trapezoid(density, mass) - value)
    assert error == pytest.approx(np.linalg.norm(shifted), rel=0.02)
    low, high = fit.band(mass)
    assert np.all((low < fit.density(mass)) & (fit.density(mass) < high))


@pytest.fixture(scope="module")
def toys() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    truth = dijet(GRID)
    expected = in_hole(truth, 20_000)
    fixed, chosen, p_values, names = [], [], [], []
    for _ in range(100):
        mass = draw(rng, truth, 20_000)
        mass = mass[outside(mass)]
        bins = sideband_bins(mass, HOLE, 2600.0, min(1.1 * mass.max(), 13_000.0))
        fit = fit_bins(bins, "f3")
        value, error = fit.integral(*HOLE)
        fixed.append((value - expected) / error)
        p_values.append(fit.p_value)
        best = choose_function(bins)
        value, error = best.integral(*HOLE)
        chosen.append((value - expected) / error)
        names.append(best.function)
    return {
        "fixed": np.array(fixed),
        "chosen": np.array(chosen),
        "p": np.array(p_values),
        "names": np.array(names),
    }


def test_prediction_of_the_true_function_is_unbiased_and_its_error_right(toys: dict[str, np.ndarray]) -> None:
    assert toys["fixed"].mean() == pytest.approx(0.0, abs=3.5 / np.sqrt(100))
    assert toys["fixed"].std() == pytest.approx(1.0, abs=0.25)
    assert stats.kstest(toys["p"], "uniform").pvalue > 0.005


def test_prediction_of_the_chosen_function_covers_too(toys: dict[str, np.ndarray]) -> None:
    assert toys["chosen"].mean() == pytest.approx(0.0, abs=0.4)
    assert toys["chosen"].std() < 1.25
    assert np.mean(np.isin(toys["names"], ["f2", "f3"])) > 0.8, "a larger function than the true one is rare"


def test_the_distance_to_the_next_function_is_part_of_the_error() -> None:
    bins = asimov(np.geomspace(2600, 9000, 60), (9.0, 5.0, 1.5), 2e5)
    alone, alternative = fit_bins(bins, "f2"), fit_bins(bins, "f3")
    fit = replace(alone, alternative=alternative)
    shift = alternative.integral(*HOLE)[0] - fit.integral(*HOLE)[0]
    assert fit.integral(*HOLE)[1] == pytest.approx(np.hypot(alone.integral(*HOLE)[1], shift))
    assert abs(shift) > 0.1 * alone.integral(*HOLE)[1]
    narrow, wide = alone.log_error(3500.0), fit.log_error(3500.0)
    assert wide == pytest.approx(np.hypot(narrow, np.log(alternative.density(3500.0) / fit.density(3500.0))))


def test_f_test_asks_for_no_more_than_is_needed_and_for_enough() -> None:
    edges = np.geomspace(2600, 9000, 60)
    assert choose_function(asimov(edges, (9.0, 5.0, 0.0), 2e5)).function == "f2"
    fit = choose_function(asimov(edges, (9.0, 5.0, 1.5, 0.6), 2e6))
    assert fit.function == "f4"
    assert fit.alternative is not None
    assert fit.alternative.function == "f5"
    refused = {test.larger for test in fit.f_tests if test.smaller == "f4"}
    assert refused == {"f5"}


def test_the_range_starts_above_the_turn_on() -> None:
    rng = np.random.default_rng(3)
    grid = np.linspace(2000.0, 12_000.0, 40_001)
    density = dijet(grid) * expit((grid - 2450) / 40)
    total = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    mass = np.interp(rng.random(200_000), total / total[-1], grid)
    truth = 200_000 * np.diff(np.interp(HOLE, grid, total / total[-1]))[0]
    fit = fit_spectrum(mass[outside(mass)], HOLE)
    assert fit.acceptable
    assert 2500 < fit.low < 2900
    value, error = fit.integral(*HOLE)
    assert abs(value - truth) < 3 * error
    assert error < 0.015 * truth
    forced = fit_spectrum(mass[outside(mass)], HOLE, low=2300.0)
    assert not forced.acceptable
    assert forced.p_value < 1e-6


def test_without_a_turn_on_the_whole_spectrum_is_used() -> None:
    mass = draw(np.random.default_rng(4), dijet(GRID), 30_000)
    fit = fit_spectrum(mass[outside(mass)], HOLE)
    assert fit.acceptable
    assert fit.low < 2700
    assert fit.high == pytest.approx(1.1 * mass.max())


def test_masses_in_the_window_are_refused_not_ignored() -> None:
    mass = draw(np.random.default_rng(5), dijet(GRID), 5000)
    inside = int((~outside(mass)).sum())
    for fit in (fit_spectrum, local_density):
        with pytest.raises(SpectrumError, match=rf"{inside} of {len(mass)} masses lie inside the blinded window"):
            fit(mass, HOLE)


def test_a_common_weight_scales_counts_and_errors_alike() -> None:
    mass = draw(np.random.default_rng(6), dijet(GRID), 10_000)
    mass = mass[outside(mass)]
    plain = fit_spectrum(mass, HOLE, low=2600.0)
    heavy = fit_spectrum(mass, HOLE, low=2600.0, weights=np.full(len(mass), 0.2))
    assert heavy.function == plain.function
    assert heavy.chi2 == pytest.approx(plain.chi2, rel=1e-4)
    assert np.array(heavy.integral(*HOLE)) == pytest.approx(0.2 * np.array(plain.integral(*HOLE)), rel=2e-3)
    a, b = local_density(mass, HOLE), local_density(mass, HOLE, weights=np.full(len(mass), 0.2))
    assert np.array(b.integral(*HOLE)) == pytest.approx(0.2 * np.array(a.integral(*HOLE)), rel=1e-6)


def test_weights_of_both_signs_are_fitted_with_the_right_error() -> None:
    rng = np.random.default_rng(7)
    truth = dijet(GRID)
    pulls = []
    for _ in range(60):
        mass = draw(rng, truth, 20_000)
        weights = np.where(rng.random(len(mass)) < 0.15, -1.0, 1.0) * rng.uniform(0.5, 1.5, len(mass))
        chosen = outside(mass)
        bins = sideband_bins(mass[chosen], HOLE, 2600.0, 1.1 * mass.max(), weights=weights[chosen])
        fit = fit_bins(bins, "f3")
        value, error = fit.integral(*HOLE)
        pulls.append((value - 0.7 * in_hole(truth, 20_000)) / error)
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.45)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.32)


def test_bins_stop_at_the_hole_lose_nothing_and_are_filled() -> None:
    mass = draw(np.random.default_rng(8), dijet(GRID), 3000)
    mass = mass[outside(mass)]
    bins = sideband_bins(mass, HOLE, 2600.0, 9000.0)
    assert bins.content.sum() == len(mass[mass < 9000])
    assert bins.content.min() >= 5
    assert np.all(np.diff(bins.low) > 0)
    below = bins.high <= HOLE[0]
    assert bins.high[below][-1] == HOLE[0]
    assert bins.low[~below][0] == HOLE[1]
    assert bins.high[-1] == 9000.0


def test_a_fit_survives_json_exactly() -> None:
    mass = draw(np.random.default_rng(9), dijet(GRID), 5000)
    mass = mass[outside(mass)]
    fit = fit_spectrum(mass, HOLE)
    back = SpectrumFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    at = np.linspace(2700, 6000, 50)
    assert np.array_equal(back.density(at), fit.density(at))
    assert np.array_equal(back.band(at), fit.band(at))
    assert back.integral(*HOLE) == fit.integral(*HOLE)
    assert back.f_tests == fit.f_tests
    assert np.array_equal(back.pulls, fit.pulls)
    assert fit.chi2 == pytest.approx((fit.pulls**2).sum())
    local = local_density(mass, HOLE)
    again = LocalDensity.from_dict(json.loads(json.dumps(local.to_dict())))
    assert again.integral(*HOLE) == local.integral(*HOLE)


def test_the_local_density_is_exact_for_a_polynomial_in_the_logarithm() -> None:
    """A log-density of degree two in ln m is inside of the local model everywhere: no bias, only noise."""
    rng = np.random.default_rng(10)
    truth = np.exp(-6 * np.log(GRID / 3500) - 2 * np.log(GRID / 3500) ** 2)
    mass = draw(rng, truth, 400_000)
    scale = 400_000 / cumulative(truth)[-1]
    density = local_density(mass[outside(mass)], HOLE, degree=2, reach=2.0)
    at = np.geomspace(2700, 6000, 60)
    expected = scale * np.interp(at, GRID, truth)
    low, high = density.band(at)
    pulls = (density.density(at) - expected) / (0.5 * (high - low))
    assert np.abs(pulls).max() < 4
    assert np.abs(density.density(at) / expected - 1).max() < 0.04
    value, error = density.integral(*HOLE)
    assert abs(value - in_hole(truth, 400_000)) < 3.5 * error
    assert np.isnan(density.density(50_000.0))


@pytest.mark.parametrize(
    ("mass", "reason"),
    [
        (np.linspace(3700, 6000, 1000), "."),
        (np.linspace(2600, 3299, 1000), "."),
        (np.empty(0), "."),
        (np.array([2700.0, 2800.0, 4000.0]), "Fewer than 5|Too few events"),
    ],
)
def test_a_sideband_that_carries_nothing_is_refused(mass: np.ndarray, reason: str) -> None:
    for fit in (fit_spectrum, local_density):
        with pytest.raises(SpectrumError, match=reason):
            fit(mass, HOLE)


def test_a_wrong_unit_and_an_unknown_function_are_named() -> None:
    mass = draw(np.random.default_rng(11), dijet(GRID), 3000)
    mass = mass[outside(mass)]
    with pytest.raises(SpectrumError, match="check the unit"):
        fit_spectrum(1000 * mass, (3.3e6, 3.7e6))
    with pytest.raises(SpectrumError, match="f17"):
        fit_spectrum(mass, HOLE, functions=("f17",))
    few = sideband_bins(mass[:60], HOLE, 2600.0, 9000.0)
    with pytest.raises(SpectrumError, match="parameters"):
        fit_bins(few[:4], "f5")


def test_case_edges_rise_by_about_a_resolution() -> None:
    edges = np.array(CASE_EDGES)
    assert len(edges) == 36
    assert np.all((np.diff(edges) / edges[:-1] > 0.03) & (np.diff(edges) / edges[:-1] < 0.07))


def test_the_density_ends_at_the_collision_energy_without_a_warning() -> None:
    """The last bin may end there: (1 − x)^p1 is zero, and so are its errors."""
    fit = fit_bins(asimov(np.geomspace(2000, 7000, 30), (9.0, 5.0, 0.4)), "f3")
    mass = np.array([6000.0, 13_000.0])
    density = fit.density(mass)
    down, up = fit.band(mass)
    assert density[0] > 0.1
    assert 0 <= down[1] <= density[1] <= up[1] < 1e-20
