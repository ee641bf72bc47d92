from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.errors import AnalysisError, TooFewEventsError
from analysis.statistics.sculpting import mass_dependence, sculpting_test


def spectrum(rng: np.random.Generator, n: int) -> np.ndarray:
    return 2500 + rng.exponential(600, n)


@pytest.mark.parametrize("efficiency", [0.2, 0.05])
def test_without_sculpting_p_is_uniform_and_chi2_per_ndof_is_one(efficiency: float) -> None:
    rng = np.random.default_rng(1)
    p_values, reduced = [], []
    for _ in range(300):
        mass = spectrum(rng, 6000)
        selected = np.zeros(6000, dtype=bool)
        selected[rng.permutation(6000)[: int(efficiency * 6000)]] = True
        test = sculpting_test(mass, selected, bins=20)
        p_values.append(test.p_value)
        reduced.append(test.chi2 / test.ndof)
        assert test.efficiency == pytest.approx(efficiency)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    # Against Poisson errors, as if drawn with replacement, this mean would be 1 - efficiency.
    assert np.mean(reduced) == pytest.approx(1.0, abs=4 * np.sqrt(2 / 19 / 300))


def test_without_sculpting_p_is_uniform_with_weights_of_both_signs() -> None:
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(300):
        mass = spectrum(rng, 6000)
        weights = np.where(rng.random(6000) < 0.1, -1.0, rng.uniform(0.5, 2.0, 6000))
        selected = rng.random(6000) < 0.15
        p_values.append(sculpting_test(mass, selected, weights=weights, bins=15).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_unit_weights_give_pearsons_statistic_of_the_contingency_table() -> None:
    rng = np.random.default_rng(3)
    mass, selected = spectrum(rng, 4000), rng.random(4000) < 0.3
    test = sculpting_test(mass, selected, bins=12)
    table = np.stack([np.histogram(mass[keep], test.edges)[0] for keep in (selected, ~selected)])
    pearson = stats.chi2_contingency(table).statistic
    assert test.chi2 == pytest.approx(pearson * (4000 - 1) / 4000, rel=1e-9)
    assert test.ndof == 11
    scaled = sculpting_test(mass, selected, weights=np.full(4000, 2.5), bins=12)
    assert scaled.chi2 == pytest.approx(test.chi2)


def test_a_tilt_is_found() -> None:
    rng = np.random.default_rng(4)
    mass = spectrum(rng, 100_000)
    tilted = rng.random(100_000) < 0.05 * (mass / mass.mean()) ** 0.7
    assert sculpting_test(mass, tilted).p_value < 1e-6
    assert sculpting_test(mass, tilted, bins=300).p_value < 1e-3
    flat = rng.random(100_000) < 0.05
    assert sculpting_test(mass, flat).p_value > 0.01
    ratio = sculpting_test(mass, tilted, bins=10).ratio
    assert ratio[0] < 0.95
    assert ratio[-1] > 1.15


def test_bins_are_equally_populated_and_fewer_where_little_passes() -> None:
    rng = np.random.default_rng(5)
    mass = spectrum(rng, 50_000)
    test = sculpting_test(mass, rng.random(50_000) < 0.5)
    counts = np.histogram(mass, test.edges)[0]
    assert test.ndof == 49
    assert np.ptp(counts) <= 2
    selected = np.zeros(50_000, dtype=bool)
    selected[:200] = True
    assert sculpting_test(mass, selected).ndof == 19


def test_the_error_of_the_ratio_is_its_scatter() -> None:
    rng = np.random.default_rng(6)
    mass = spectrum(rng, 3000)
    ratios, errors = [], []
    for _ in range(300):
        selected = np.zeros(3000, dtype=bool)
        selected[rng.permutation(3000)[:1500]] = True
        test = sculpting_test(mass, selected, bins=8)
        ratios.append(test.ratio)
        errors.append(test.error)
    assert np.std(ratios, axis=0) == pytest.approx(np.mean(errors, axis=0), rel=0.2)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.005)


def test_too_few_events_and_unequal_lengths_are_refused() -> None:
    mass = np.linspace(1, 2, 100)
    with pytest.raises(TooFewEventsError, match="5 of 100"):
        sculpting_test(mass, np.arange(100) < 5)
    with pytest.raises(TooFewEventsError):
        sculpting_test(mass, np.arange(100) < 95)
    with pytest.raises(AnalysisError):
        sculpting_test(mass, np.arange(99) < 50)


def brute_force_distance_correlation(x: np.ndarray, y: np.ndarray) -> float:
    def centred(values: np.ndarray) -> np.ndarray:
        apart = np.abs(values[:, None] - values[None, :])
        return np.asarray(apart - apart.mean(0) - apart.mean(1)[:, None] + apart.mean())

    a, b = centred(x), centred(y)
    return float(np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean())))


def test_the_distance_correlation_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(5)
    # Few values, so that no two of them are one in the bins.
    mass = 2500 + 37.0 * rng.integers(0, 40, 800)
    selected = rng.random(800) < 0.1 + 0.3 * (mass > 3200)
    found = mass_dependence(mass, selected)
    assert found.distance_correlation == pytest.approx(
        brute_force_distance_correlation(mass, selected.astype(float)), rel=1e-9
    )
    assert found.ks == pytest.approx(stats.ks_2samp(mass[selected], mass[~selected]).statistic)
    assert (found.ks_p_value, found.distance_p_value) == (1 / 400, 1 / 400)


def test_without_dependence_its_p_values_are_uniform_also_with_weights() -> None:
    rng = np.random.default_rng(6)
    found = []
    for _ in range(100):
        mass, weights = spectrum(rng, 800), rng.uniform(0.2, 2.0, 800)
        one = mass_dependence(mass, rng.random(800) < 0.2, weights=weights, seed=int(rng.integers(1000)))
        found.append((one.ks_p_value, one.distance_p_value))
    for p in zip(*found, strict=True):
        assert stats.kstest(p, "uniform").pvalue > 0.01


def test_a_selection_that_follows_the_mass_without_a_tilt_is_found() -> None:
    """More in the middle, and as many above as below: a correlation coefficient would be none."""
    rng = np.random.default_rng(7)
    mass = rng.uniform(2500, 4500, 20_000)
    selected = rng.random(20_000) < 0.1 + 0.1 * np.exp(-0.5 * ((mass - 3500) / 200) ** 2)
    assert abs(np.corrcoef(mass, selected)[0, 1]) < 0.02
    found = mass_dependence(mass, selected)
    assert max(found.ks_p_value, found.distance_p_value) <= 0.005
    with pytest.raises(TooFewEventsError, match="10 of 20000 events pass"):
        mass_dependence(mass, np.arange(20_000) < 10)
