"""The choice of a function: right how often it should be, and profiled it covers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.errors import SpectrumError
from analysis.inference.function_choice import ProfiledFamily, f_test, goodness_of_fit, smallest_sufficient
from analysis.inference.limits import asymptotic_limit

from .spectra import background, model


def test_a_sufficient_function_is_kept_and_an_insufficient_one_is_not() -> None:
    kept = f_test(model(), "f4", toys=60, seed=1)
    assert kept.p_value > 0.02
    beaten = f_test(model(function="f2", events=6e7), "f3", toys=60, seed=1)
    assert beaten.p_value == pytest.approx(1 / 61)
    assert beaten.asymptotic < 1e-4
    chosen, tests = smallest_sufficient(model(events=6e7), toys=40, seed=2)
    assert chosen.function in ("f3", "f4")
    assert tests[0].smaller == "f2"


def test_the_p_value_is_that_of_wilks_where_there_are_many_events() -> None:
    rng = np.random.default_rng(3)
    first = model()
    close = [f_test(first.seeing(rng.poisson(background())), "f4", toys=100, seed=k) for k in range(6)]
    for each in close:
        assert each.p_value == pytest.approx(each.asymptotic, abs=5 * each.error + 0.02)


def test_the_family_takes_the_best_function_at_every_strength() -> None:
    one = model(1.0)
    family = ProfiledFamily.of(one, ("f2", "f3", "f4"), penalty=1.0)
    for strength in (0.0, 1.0):
        value, function = family.deviance(strength)
        alone = {m.function: m.fit(strength).deviance + m.parameters for m in family.models}
        assert value == pytest.approx(min(alone.values()))
        assert function == min(alone, key=alone.get)  # type: ignore[arg-type]
    limit = asymptotic_limit(family)
    single = {m.function: asymptotic_limit(m).observed for m in family.models}
    assert 0.8 * min(single.values()) < limit.observed < 1.25 * max(single.values())
    # What another function can take of an excess is no discovery.
    assert 1 < family.discovery() < one.discovery() + 0.1


def test_a_function_is_compared_with_a_larger_one_only() -> None:
    with pytest.raises(SpectrumError, match="no larger function"):
        f_test(model(), "f3", toys=10, seed=1)


def test_goodness_of_fit_sees_a_bump_that_the_signal_takes_away() -> None:
    fine = goodness_of_fit(model(), toys=60, seed=1)
    assert fine.p_value > 0.02
    # Full bins: Wilks' theorem holds.
    assert fine.p_value == pytest.approx(fine.asymptotic, abs=5 * max(fine.error, 0.03))
    bump = model(8.0)
    assert goodness_of_fit(bump, toys=60, seed=1).p_value == 1 / 61
    assert goodness_of_fit(bump, with_signal=True, toys=60, seed=1).p_value > 0.02


def test_goodness_of_fit_of_nearly_empty_bins_is_that_of_toys() -> None:
    """χ² is off there: of spectra of the function itself the toys say 5 % as often as they should."""
    p = [goodness_of_fit(model(seed=seed, events=60.0), toys=39, seed=seed).p_value for seed in range(40)]
    assert stats.kstest(p, "uniform").pvalue > 0.01
