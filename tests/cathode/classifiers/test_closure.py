"""How well data and template are told apart, against areas that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from cathode.classifiers.closure import closure_in_folds, two_sample_auc
from cathode.classifiers.cross_fitting import Sample

from ..toys import Discriminant


def test_the_area_of_two_normal_scores_is_known() -> None:
    rng = np.random.default_rng(1)
    found = two_sample_auc(rng.normal(0.5, 1, 20_000), rng.normal(0, 1, 30_000), np.ones(20_000))
    assert found.value == pytest.approx(norm.cdf(0.5 / 2**0.5), abs=4 * found.error)


def test_weights_of_both_samples_count() -> None:
    rng = np.random.default_rng(2)
    data, template = rng.normal(0, 1, 20_000), rng.normal(0, 1, 20_000)
    # exp(x / 2) turns N(0, 1) into N(1/2, 1).
    tilted = two_sample_auc(data, template, np.exp(0.5 * data))
    assert tilted.value == pytest.approx(norm.cdf(0.5 / 2**0.5), abs=4 * tilted.error)
    both = two_sample_auc(data, template, np.exp(0.5 * data), np.exp(0.5 * template))
    assert both.value == pytest.approx(0.5, abs=4 * both.error)


def samples(shift: float, seed: int) -> tuple[Sample, Sample, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = 4_000
    data = Sample(rng.normal(shift, 1, (n, 2)), np.ones(n), np.arange(n) % 2)
    template = Sample(rng.normal(0, 1, (n, 2)), np.ones(n), np.arange(n) % 2)
    return data, template, rng.integers(0, 2, n)


def test_equal_samples_close_and_others_do_not() -> None:
    data, template, half = samples(0.0, 3)
    equal = closure_in_folds(Discriminant(), data, template, half_of_data=half, seed=1)
    assert equal.value == pytest.approx(0.5, abs=4 * equal.error)
    data, template, half = samples(0.4, 4)
    apart = closure_in_folds(Discriminant(), data, template, half_of_data=half, seed=1)
    assert apart.value == pytest.approx(norm.cdf(0.4 * 2**0.5 / 2**0.5), abs=5 * apart.error)


def test_no_event_is_scored_that_was_trained_on() -> None:
    Discriminant.scored.clear()
    data, template, half = samples(0.0, 5)
    closure_in_folds(Discriminant(remember=True), data, template, half_of_data=half, seed=1)
    assert len(Discriminant.scored) == 4
    assert all(seen == 0 for _, seen in Discriminant.scored)
