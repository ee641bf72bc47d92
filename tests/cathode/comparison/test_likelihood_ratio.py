"""Weights by a likelihood ratio that is known, and what they mend."""

from __future__ import annotations

import numpy as np
import pytest

from cathode.classifiers import BoostedTrees
from cathode.comparison.likelihood_ratio import LARGEST, likelihood_ratio_weights, resampled

RNG = np.random.default_rng(1)
TREES = BoostedTrees(members=8)


def test_weights_are_the_ratio_and_mend_the_mean() -> None:
    truth, generated = RNG.standard_normal((3_000, 2)), RNG.standard_normal((3_000, 2)) + np.array([0.5, 0])
    found = likelihood_ratio_weights(TREES, truth, generated, folds=3, seed=1)
    due = np.exp(0.125 - 0.5 * generated[:, 0])
    assert found.weights.mean() == pytest.approx(1)
    assert np.corrcoef(np.log(found.weights), np.log(due))[0, 1] > 0.75
    assert np.average(generated[:, 0], weights=found.weights) == pytest.approx(0, abs=0.2)
    # The mean of w² over the wrong distribution is e^(1/4), so that e^(-1/4) of the events are left.
    assert found.effective == pytest.approx(3_000 * np.exp(-0.25), rel=0.2)
    assert found.calibration < 0.03
    assert found.before.value > 0.6
    assert abs(found.after.value - 0.5) < 0.4 * (found.before.value - 0.5)


def test_equal_samples_need_no_weights() -> None:
    found = likelihood_ratio_weights(
        TREES, RNG.standard_normal((1_500, 2)), RNG.standard_normal((2_500, 2)), folds=3, seed=2
    )
    assert found.effective > 0.9 * 2_500
    assert found.weights.max() <= LARGEST
    assert found.before.value == pytest.approx(0.5, abs=0.05)


def test_resampled_events_are_there_as_often_as_they_weigh() -> None:
    weights = np.array([0.5, 2.0, 0.0, 1.5])
    rows = np.concatenate([resampled(weights, seed=seed) for seed in range(500)])
    assert np.bincount(rows, minlength=4) / 500 == pytest.approx(weights, abs=0.1)
