"""Limits against pyhf, against the textbook, and against toys; and they cover."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.errors import CountingError
from analysis.inference.counting_model import CountingModel
from analysis.inference.limits import asymptotic_confidence, asymptotic_limit, toy_confidence, toy_limit

# pyhf asks jsonschema for what that will remove.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize(
    "model", [CountingModel(140, 100, 10, 20), CountingModel(7, 9, 2, 3), CountingModel(60, 50, 7, 10)]
)
def test_observed_and_expected_limits_are_those_of_pyhf(model: CountingModel) -> None:
    pyhf: Any = pytest.importorskip("pyhf")
    theirs = pyhf.simplemodels.uncorrelated_background([model.signal], [model.background], [model.error])
    data = [model.observed, *theirs.config.auxdata]
    observed, expected = pyhf.infer.intervals.upper_limits.toms748_scan(data, theirs, 0.01, 10, rtol=1e-5)
    ours = asymptotic_limit(model)
    assert ours.observed == pytest.approx(float(observed), rel=1e-3)
    np.testing.assert_allclose(ours.expected, [float(each) for each in expected], rtol=1e-3)


def test_nothing_seen_and_nothing_expected_excludes_three_events() -> None:
    # Without background CLs is exp(−s) whatever else: −ln 0.05 = 2.996 events.
    found = toy_limit(CountingModel(0, 1e-6, 0, 1.0), toys=20_000, seed=1)
    assert found.observed == pytest.approx(2.996, abs=4 * found.error + 0.02)


def test_toys_and_asymptotics_agree_where_there_are_many_events() -> None:
    model = CountingModel(420, 400, 15, 20)
    toys, formula = toy_limit(model, toys=10_000, seed=3), asymptotic_limit(model)
    assert toys.observed == pytest.approx(formula.observed, rel=0.04)
    np.testing.assert_allclose(toys.expected, formula.expected, rtol=0.08)
    one, other = asymptotic_confidence(model, 2.5), toy_confidence(model, 2.5, toys=20_000, seed=4)
    assert other.cls == pytest.approx(one.cls, abs=0.02)


def test_cls_excludes_less_than_its_numerator_alone() -> None:
    found = asymptotic_limit(CountingModel(70, 100, 10, 20))
    assert found.observed > found.without_cls
    assert list(found.expected) == sorted(found.expected)


@pytest.mark.parametrize("strength", [0.8, 2.0])
def test_limits_cover(strength: float) -> None:
    """A strength is above its limit in at most 5 % of experiments, and for a large one in nearly as many."""
    rng = np.random.default_rng(7)
    truth = CountingModel(0, 50, 6, 10)
    tau = 50 / 36
    above = 0
    for _ in range(400):
        b = rng.poisson(50 * tau) / tau
        n = rng.poisson(50 + 10 * strength)
        model = CountingModel(n, b, np.sqrt(b / tau), truth.signal)
        above += asymptotic_confidence(model, strength).cls < 0.05
    assert 1 - above / 400 > 0.93


def test_confidence_levels_and_too_few_toys() -> None:
    model = CountingModel(5, 5, 1)
    assert asymptotic_limit(model, confidence_level=0.9).observed < asymptotic_limit(model).observed
    for level in (0.0, 1.0, 95):
        with pytest.raises(CountingError, match="confidence level"):
            asymptotic_limit(model, confidence_level=level)
    with pytest.raises(CountingError, match="take more"):
        toy_limit(model, toys=100, seed=1)
