"""χ² and Kolmogorov–Smirnov of two samples: uniform p-values where they are equal, small ones where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.two_samples import compare_samples


def test_equal_distributions_give_uniform_p_values() -> None:
    rng = np.random.default_rng(1)
    found = [compare_samples(rng.normal(size=800), rng.normal(size=3_000)) for _ in range(400)]
    assert stats.kstest([each.chi2_p_value for each in found], "uniform").pvalue > 1e-3
    # The asymptotic distribution is a little too wide for so few events.
    assert np.mean([each.ks_p_value < 0.05 for each in found]) == pytest.approx(0.05, abs=0.03)


def test_copies_count_once() -> None:
    """Every event of the second sample is there eight times; without that knowledge everything would differ."""
    rng = np.random.default_rng(2)
    aware, blind = [], []
    for _ in range(200):
        one, other = rng.normal(size=1_000), rng.normal(size=500)
        origin = np.repeat(np.arange(500), 8)
        aware.append(compare_samples(one, other[origin], origin=origin).chi2_p_value)
        blind.append(compare_samples(one, other[origin]).chi2_p_value)
    assert np.mean(np.array(aware) < 0.05) < 0.1
    assert np.mean(np.array(blind) < 0.05) > 0.3


def test_a_shift_is_seen_by_both_and_its_size_is_measured() -> None:
    rng = np.random.default_rng(3)
    found = compare_samples(rng.normal(size=50_000), rng.normal(0.1, size=100_000))
    assert found.chi2_p_value < 1e-10
    assert found.ks_p_value < 1e-10
    # The distance of the cumulative distributions of normal numbers that are d apart is 2Φ(d/2) − 1.
    assert found.ks == pytest.approx(2 * stats.norm.cdf(0.05) - 1, abs=0.006)
    # ∫(q/p − 1)²p = exp(d²) − 1, of which twenty bins see nearly all.
    assert found.deviation == pytest.approx(np.sqrt(np.expm1(0.01)), rel=0.15)


def test_weights_make_equal_what_they_should() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=20_000)
    tilted = compare_samples(rng.normal(0.3, size=20_000), values, other_weights=np.exp(0.3 * values))
    assert tilted.chi2_p_value > 0.001
    assert compare_samples(rng.normal(0.3, size=20_000), values).chi2_p_value < 1e-10


def test_a_spike_stays_in_one_bin() -> None:
    rng = np.random.default_rng(5)
    one = np.where(rng.random(2_000) < 0.4, 0.0, rng.random(2_000))
    other = np.where(rng.random(2_000) < 0.5, 0.0, rng.random(2_000))
    found = compare_samples(one, other)
    assert found.chi2_p_value < 1e-4
    assert found.ks == pytest.approx(0.1, abs=0.04)
