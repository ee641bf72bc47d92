"""A limit with an efficiency that follows the strength: worked out by hand where it is linear."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.inference.counting_model import CountingModel
from analysis.inference.limits import asymptotic_limit
from cathode.errors import InjectionError
from cathode.injection.experiments import CutFound, Injection
from cathode.injection.limit import SignalYield, injected_limit, signal_yield


def injection(number: int, efficiency: float, repeat: int = 0) -> Injection:
    cut = CutFound(120.0 + efficiency * number, 100.0, 10.0, 1.0, efficiency * number)
    return Injection(number, repeat, number, 5_000.0 + number, (5_000.0, 80.0), {0.01: cut})


def test_with_one_efficiency_it_is_the_limit_on_passing_events_over_it() -> None:
    # One in a hundred of the signal in the window is expected to pass as background is.
    found = injected_limit([injection(n, 0.21) for n in (0, 100, 400, 1_000)], 0.01)
    alone = asymptotic_limit(CountingModel(120, 100, 10))
    assert found.passing.observed == pytest.approx(alone.observed)
    assert found.observed == pytest.approx(alone.observed / 0.2)
    np.testing.assert_allclose(found.expected, np.array(alone.expected) / 0.2)
    assert found.low < found.observed < found.high
    assert found.inclusive == pytest.approx(asymptotic_limit(CountingModel(5_000, 5_000, 80)).observed)


def test_a_small_signal_that_the_cut_does_not_know_is_not_excluded_by_the_efficiency_of_a_large_one() -> None:
    """Below 400 events hardly any pass: the limit lies where they do."""
    searches = [injection(0, 0.0), injection(200, 0.01), injection(400, 0.3), injection(1_000, 0.4)]
    found = injected_limit(searches, 0.01)
    assert 200 < found.observed <= 400
    naive = found.passing.observed / 0.4
    assert naive < 200


def test_the_yield_is_the_mean_over_repeats_with_its_error() -> None:
    found = signal_yield([injection(100, e, k) for k, e in enumerate((0.1, 0.2, 0.3))], 0.01)
    assert found.passing.tolist() == pytest.approx([19.0])
    assert found.error.tolist() == pytest.approx([10 / 3**0.5])
    assert found.efficiency.tolist() == pytest.approx([0.19])


def test_a_yield_that_falls_again_counts_from_where_it_stays_above() -> None:
    found = SignalYield(np.array([100.0, 200.0, 300.0]), np.array([50.0, 10.0, 60.0]), np.zeros(3))
    assert found.excluded(35.0) == pytest.approx(250.0)
    assert found.excluded(5.0) == pytest.approx(10.0)


def test_the_scatter_of_trainings_is_an_uncertainty_of_their_mean() -> None:
    none = [
        Injection(0, k, 0, 5_000.0, (5_000.0, 80.0), {0.01: CutFound(120.0 + by, 100.0, 10.0, 1.0, 0.0)})
        for k, by in enumerate((-20.0, 0.0, 20.0))
    ]
    found = injected_limit([*none, injection(1_000, 0.2)], 0.01)
    assert (found.model.observed, found.model.background) == (120.0, 100.0)
    assert found.model.error == pytest.approx((10**2 + 20**2 / 3) ** 0.5)
    assert found.expected[2] > injected_limit([none[1], injection(1_000, 0.2)], 0.01).expected[2]


def test_beyond_what_was_injected_nothing_is_said() -> None:
    with pytest.raises(InjectionError, match="nothing is said beyond"):
        injected_limit([injection(0, 0.2), injection(50, 0.2)], 0.01)
    with pytest.raises(InjectionError, match="without an injected signal"):
        injected_limit([injection(50, 0.2)], 0.01)
    with pytest.raises(InjectionError, match="No search has an injected signal"):
        injected_limit([injection(0, 0.2)], 0.01)
