"""Equivalent sample size: known for samples of the truth, and small for a sample that is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics.equivalent_size import equivalent_size

RNG = np.random.default_rng(1)
TRUTH, REFERENCE = RNG.standard_normal((2_000, 5)), RNG.standard_normal((10_000, 5))


@pytest.mark.parametrize("size", [60, 300])
def test_a_sample_of_the_truth_is_worth_its_size(size: int) -> None:
    found = [
        equivalent_size(np.random.default_rng(seed).standard_normal((size, 5)), TRUTH, REFERENCE, seed=seed).events
        for seed in range(20, 25)
    ]
    assert np.exp(np.mean(np.log(found))) == pytest.approx(size, rel=0.3)


def test_the_distance_is_that_of_scipy() -> None:
    sample = RNG.standard_normal((200, 5)) + 0.1
    due = np.mean([ks_2samp(sample[:, i], REFERENCE[:, i]).statistic for i in range(5)])
    assert equivalent_size(sample, TRUTH, REFERENCE, seed=1).distance == pytest.approx(due)


def test_a_million_wrong_events_are_worth_few() -> None:
    wrong = 0.1 + np.random.default_rng(2).standard_normal((30_000, 5))
    found = equivalent_size(wrong, TRUTH, REFERENCE, seed=1)
    # A shift of 0.1 changes the distribution function by 0.04; so does chance with (0.87/0.04)² events.
    assert 200 < found.events < 900
    assert not found.at_least


def test_more_truth_than_there_is_can_not_be_told() -> None:
    found = equivalent_size(np.random.default_rng(3).standard_normal((30_000, 5)), TRUTH, REFERENCE, seed=1)
    assert found.at_least
    assert found.events == pytest.approx(len(TRUTH))


def test_what_can_not_be_compared_is_refused() -> None:
    with pytest.raises(MetricError, match="columns"):
        equivalent_size(TRUTH[:, :2], TRUTH, REFERENCE, seed=1)
    with pytest.raises(TooFewEventsError):
        equivalent_size(TRUTH, TRUTH[:10], REFERENCE, seed=1)
