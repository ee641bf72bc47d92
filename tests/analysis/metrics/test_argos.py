"""ARGOS is the share of signal times its significance improvement, above a floor of statistics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from analysis.errors import AnalysisError
from analysis.metrics.argos import argos


def test_is_the_share_of_signal_times_the_improvement() -> None:
    """Signal d standard deviations away: e_S/√e_B − √e_B at the best cut, known in closed form."""
    rng = np.random.default_rng(1)
    share, distance, n = 0.1, 2.0, 200_000
    data = rng.standard_normal(n) + distance * (rng.random(n) < share)
    template = rng.standard_normal(n)
    cuts = np.linspace(-2, 3, 200)
    background, signal = norm.sf(cuts), norm.sf(cuts - distance)
    due = np.max(share * (signal / np.sqrt(background) - np.sqrt(background)))
    assert argos(data, template, smallest=400) == pytest.approx(due, rel=0.05)


def test_a_better_score_has_more_of_it() -> None:
    rng = np.random.default_rng(2)
    found = []
    for distance in (0.0, 1.0, 2.0, 3.0):
        data = rng.standard_normal(20_000) + distance * (np.arange(20_000) < 400)
        found.append(argos(data, rng.standard_normal(20_000)))
    assert found == sorted(found)
    assert abs(found[0]) < 0.02 < 0.2 * found[3]


def test_a_handful_of_template_events_decides_nothing() -> None:
    """Without the floor the highest event alone, of data, would make it arbitrarily large."""
    template, data = np.arange(1000.0), np.append(np.arange(999.0), 998.5)
    assert argos(data, template, smallest=1) >= 0.0
    few = np.append(np.arange(995.0), [2000.0] * 5)
    assert argos(few, np.append(np.arange(999.0), 1999.0), smallest=1) > 0.1
    assert argos(few, np.append(np.arange(999.0), 1999.0)) < 0.05
    assert argos(data[:10], template[:10]) == 0.0


def test_weights_count_as_copies_but_not_as_statistics() -> None:
    rng = np.random.default_rng(3)
    data, template = rng.standard_normal(500) + 0.2, rng.standard_normal(500)
    doubled = argos(np.repeat(data, 2), np.repeat(template, 2), smallest=100)
    assert argos(data, template, np.full(500, 2.0), np.full(500, 2.0), smallest=50) == pytest.approx(doubled)
    assert argos(data, template, None, np.full(500, 3.0)) == pytest.approx(argos(data, template))


def test_equal_scores_pass_together() -> None:
    assert argos(np.zeros(100), np.zeros(100)) == 0.0


def test_refuses_what_is_no_score() -> None:
    with pytest.raises(AnalysisError, match="no scores of the data"):
        argos(np.empty(0), np.zeros(3))
    with pytest.raises(AnalysisError, match="1 scores that are NaN of the template"):
        argos(np.zeros(3), np.array([0.0, np.nan]))
