"""Combined p-values against scipy, and uniform where there is no signal."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.errors import CountingError
from analysis.inference.combination import COMBINATIONS, calibrated, cauchy, fisher, smallest


def test_they_are_those_of_scipy() -> None:
    p = np.array([0.01, 0.4, 0.7])
    assert fisher(p) == pytest.approx(stats.combine_pvalues(p, "fisher").pvalue)
    assert smallest(p) == pytest.approx(stats.combine_pvalues(p, "tippett").pvalue)
    assert cauchy(p) == pytest.approx(stats.cauchy.sf(np.tan((0.5 - p) * np.pi).mean()))


@pytest.mark.parametrize("name", COMBINATIONS)
def test_independent_p_values_combine_to_a_uniform_one(name: str) -> None:
    p = np.random.default_rng(1).random((4_000, 5))
    assert stats.kstest(COMBINATIONS[name](p), "uniform").pvalue > 0.01


def correlated(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(stats.norm.sf(np.sqrt(0.8) * rng.normal(size=(n, 1)) + np.sqrt(0.2) * rng.normal(size=(n, 4))))


@pytest.mark.parametrize("name", COMBINATIONS)
def test_dependent_ones_are_calibrated_by_experiments(name: str) -> None:
    null = correlated(2_000, 1)
    found = np.array([calibrated(p, null, COMBINATIONS[name])[0] for p in correlated(500, 2)])
    assert stats.kstest(found, "uniform").pvalue > 0.01
    if name == "fisher":
        assert stats.kstest(fisher(correlated(2_000, 2)), "uniform").pvalue < 1e-6


def test_tiny_p_values_do_not_overflow_and_others_are_refused() -> None:
    tiny = np.array([1e-300, 0.5])
    for combine in COMBINATIONS.values():
        assert 0 <= float(combine(tiny)) < 1e-10
    for wrong in ([], [0.5, 1.1], [np.nan]):
        with pytest.raises(CountingError, match="between 0 and 1"):
            fisher(np.array(wrong))


def test_one_empty_fold_does_not_outweigh_a_small_p_value() -> None:
    assert COMBINATIONS["cauchy"](np.array([1.0, 1e-8])) < 1e-7
    assert COMBINATIONS["cauchy"](np.array([1.0, 1.0])) > 0.99
