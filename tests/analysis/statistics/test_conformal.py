"""Conformal p-values against their definition, and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.errors import AnalysisError
from analysis.statistics.conformal import (
    conformal_p_values,
    count_p_value,
    expected_count,
    mondrian_p_values,
    resolution,
)


def by_definition(scores: np.ndarray, calibration: np.ndarray) -> list[float]:
    return [(1 + sum(c >= s for c in calibration)) / (len(calibration) + 1) for s in scores]


def test_they_are_what_the_definition_says_with_ties() -> None:
    rng = np.random.default_rng(1)
    scores, calibration = rng.integers(0, 9, 50).astype(float), rng.integers(0, 9, 37).astype(float)
    np.testing.assert_allclose(conformal_p_values(scores, calibration), by_definition(scores, calibration), rtol=1e-15)
    assert conformal_p_values(np.array([99.0]), calibration)[0] == resolution(37) == 1 / 38


def test_weights_are_what_the_definition_says() -> None:
    rng = np.random.default_rng(2)
    scores, calibration = rng.normal(size=30), rng.normal(size=40)
    own, w = rng.exponential(size=30), rng.exponential(size=40)
    right = [
        (mine + sum(each for each, c in zip(w, calibration, strict=True) if c >= s)) / (mine + w.sum())
        for s, mine in zip(scores, own, strict=True)
    ]
    found = conformal_p_values(scores, calibration, weights=own, calibration_weights=w)
    np.testing.assert_allclose(found, right, rtol=1e-12)


def test_of_exchangeable_events_none_is_small_more_often_than_it_says() -> None:
    """P(p ≤ α) ≤ α with few calibration events, which no approximation gives."""
    rng = np.random.default_rng(3)
    p = np.concatenate([conformal_p_values(rng.normal(size=1), rng.normal(size=9)) for _ in range(20_000)])
    for alpha in (0.1, 0.25, 0.5, 0.8):
        share = (p <= alpha).mean()
        right = np.floor(alpha * 10) / 10
        assert share == pytest.approx(right, abs=4 * (right * (1 - right) / 20_000) ** 0.5)


def test_counts_of_small_ones_are_beta_binomial() -> None:
    rng = np.random.default_rng(4)
    events, calibration, alpha = 300, 99, 0.05
    counts = [
        int((conformal_p_values(rng.normal(size=events), rng.normal(size=calibration)) <= alpha).sum())
        for _ in range(4_000)
    ]
    mean, spread = expected_count(alpha, events, calibration)
    assert mean == pytest.approx(alpha * events)
    assert spread**2 == pytest.approx(events * alpha * (1 - alpha) * (1 + (events - 1) / (calibration + 2)))
    assert np.mean(counts) == pytest.approx(mean, abs=4 * spread / 4_000**0.5)
    assert np.std(counts) == pytest.approx(spread, rel=0.05)
    # Twice as wide as a binomial, whose two sigma would be one.
    assert spread > 1.9 * (events * alpha * (1 - alpha)) ** 0.5
    table = {count: count_p_value(count, alpha, events, calibration) for count in set(counts)}
    p = [table[count] for count in counts]
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(p) <= level) <= level + 4 * (level / 4_000) ** 0.5


def test_groups_repair_a_score_that_follows_the_mass() -> None:
    rng = np.random.default_rng(5)
    group, other = rng.integers(0, 4, 4_000), rng.integers(0, 4, 4_000)
    # As many events in each group, whose scores lie apart.
    scores, calibration = rng.normal(size=4_000) + group, rng.normal(size=4_000) + other
    within = mondrian_p_values(scores, calibration, groups=group, calibration_groups=other)
    for each in range(4):
        assert stats.kstest(within[group == each], "uniform").pvalue > 1e-3
    assert stats.kstest(conformal_p_values(scores, calibration)[group == 3], "uniform").pvalue < 1e-12


def test_weights_repair_a_known_difference() -> None:
    """Calibration events from the sidebands, where the score is distributed otherwise, by a known ratio."""
    rng = np.random.default_rng(6)
    x, z = rng.normal(0.8, 1, 3_000), rng.normal(0.0, 1, 30_000)

    def ratio(at: np.ndarray) -> np.ndarray:
        return np.exp(0.8 * at - 0.32)

    assert stats.kstest(conformal_p_values(x, z), "uniform").pvalue < 1e-12
    weighted = conformal_p_values(x, z, weights=ratio(x), calibration_weights=ratio(z))
    assert stats.kstest(weighted, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0], []), "no calibration event"),
        (([np.nan], [1.0]), "1 of the scores are NaN"),
    ],
)
def test_what_has_no_p_value(arguments: tuple[list[float], list[float]], words: str) -> None:
    with pytest.raises(AnalysisError, match=words):
        conformal_p_values(*(np.array(each) for each in arguments))


def test_what_is_no_weight_no_group_and_no_level() -> None:
    one = np.ones(3)
    for weights in (np.ones(2), -one, np.full(3, np.nan)):
        with pytest.raises(AnalysisError, match="calibration weights must be 3 finite numbers"):
            conformal_p_values(one, one, calibration_weights=weights)
    with pytest.raises(AnalysisError, match="Group 7 has 3 events and no calibration event"):
        mondrian_p_values(one, one, groups=np.full(3, 7), calibration_groups=np.zeros(3))
    with pytest.raises(AnalysisError, match=r"below the resolution 0\.01 of 99"):
        count_p_value(3, 0.001, 100, 99)
