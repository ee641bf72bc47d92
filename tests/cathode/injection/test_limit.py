"""A limit with an efficiency that follows the strength: worked out by hand where it is linear."""

from __future__ import annotations

from dataclasses import replace

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
    found = injected_limit([injection(n, 0.21) for n in (0, 20, 400, 1_000)], 0.01)
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
    found = SignalYield(np.array([100.0, 200.0, 300.0]), np.array([50.0, 10.0, 60.0]), np.zeros(3), np.zeros(3))
    assert found.excluded(35.0) == pytest.approx(250.0)


def test_less_than_the_weakest_signal_is_not_excluded_by_its_efficiency() -> None:
    found = SignalYield(np.array([160.0, 330.0]), np.array([35.3, 131.0]), np.zeros(2), np.zeros(2))
    assert found.excluded(5.6) == 160.0
    assert found.excluded(83.15) == pytest.approx(245.0)
    limit = injected_limit([injection(n, 0.5) for n in (0, 400, 1_000)], 0.01)
    assert limit.observed == limit.smallest == 400
    assert "inject less" in limit.remarks[0]


@pytest.mark.parametrize("weight", [0.1, 10.0])
def test_the_unit_of_the_weights_changes_no_limit(weight: float) -> None:
    plain = [injection(n, 0.21) for n in (0, 20, 400, 1_000)]

    def weighted(each: Injection) -> Injection:
        cut = each.cuts[0.01]
        sums = {name: weight * getattr(cut, name) for name in ("observed", "expected", "error")}
        spectrum = (weight * each.spectrum[0], weight * each.spectrum[1])
        cuts = {0.01: replace(cut, **sums, per_event=weight)}
        return replace(each, window=weight * each.window, spectrum=spectrum, weight=weight, cuts=cuts)

    expected, found = injected_limit(plain, 0.01), injected_limit([weighted(each) for each in plain], 0.01)
    assert found.observed == pytest.approx(expected.observed)
    assert found.expected == pytest.approx(expected.expected)
    assert found.inclusive == pytest.approx(expected.inclusive)


def test_what_passes_scatters_over_trainings_and_so_a_limit_is_weaker() -> None:
    """Trainings that keep 10 or 30 % of a signal keep 20 % in the mean, and exclude less than those that always do."""
    others = [injection(n, 0.2) for n in (0, 20, 1_000)]
    sure = injected_limit([*others, *(injection(400, 0.2, k) for k in range(4))], 0.01)
    unsure = injected_limit([*others, *(injection(400, e, k) for k, e in enumerate((0.1, 0.3, 0.1, 0.3)))], 0.01)
    found = signal_yield([injection(400, e, k) for k, e in enumerate((0.1, 0.3, 0.1, 0.3))], 0.01)
    # 36 or 116 events beyond the expectation: their variance less that of 76 of 400.
    assert found.scatter == pytest.approx([(40**2 * 4 / 3 - 76 * (1 - 76 / 400)) ** 0.5])
    assert sure.passing.observed == unsure.passing.observed
    assert unsure.observed > 1.2 * sure.observed


@pytest.mark.parametrize("pseudo", [False, True])
def test_a_number_of_events_is_no_scatter_of_trainings(pseudo: bool) -> None:
    """All trainings keep 30 % of 400 events, of a Poisson number of them in pseudo-experiments."""
    rng = np.random.default_rng(5)
    searches = []
    for repeat in range(4_000):
        number = int(rng.poisson(400)) if pseudo else 400
        cut = CutFound(0.0, 0.0, 0.0, 0.0, float(rng.binomial(number, 0.3)))
        searches.append(Injection(400, repeat, 0, 0.0, (0.0, 0.0), {0.01: cut}, pseudo=pseudo))
    (scatter,) = signal_yield(searches, 0.01).scatter
    assert scatter < 0.35 * 120**0.5


def test_a_limit_needs_an_expectation_and_says_what_validation_said() -> None:
    searches = [injection(n, 0.21) for n in (0, 20, 400, 1_000)]
    none = searches[0]
    bad = replace(none, cuts={0.01: replace(none.cuts[0.01], obstacle="scores are tied")})
    with pytest.raises(InjectionError, match="scores are tied"):
        injected_limit([bad, *searches[1:]], 0.01)
    failed = injected_limit(
        [replace(none, validation="failed"), replace(none, validation="passed"), *searches[1:]], 0.01
    )
    assert failed.validation == "failed"
    assert "validation is failed" in failed.remarks[0]
    assert not injected_limit([replace(none, validation="passed"), *searches[1:]], 0.01).remarks


def test_pseudo_experiments_have_an_expected_limit_alone() -> None:
    """Other counts of other pseudo-experiments say nothing of the data, nor does their scatter."""
    searches = [replace(injection(n, 0.21), pseudo=True) for n in (0, 20, 400, 1_000)]
    other = replace(searches[0], cuts={0.01: replace(searches[0].cuts[0.01], observed=60.0)})
    found = injected_limit([*searches, other], 0.01)
    assert np.isnan([found.observed, found.inclusive, found.passing.observed]).all()
    np.testing.assert_allclose(found.expected, np.array(asymptotic_limit(CountingModel(100, 100, 10)).expected) / 0.2)
    assert found.model == CountingModel(100, 100, 10)
    assert found.low < found.expected[2] < found.high


def test_the_scatter_of_trainings_is_an_uncertainty_of_their_mean() -> None:
    none = [
        Injection(0, k, 0, 5_000.0, (5_000.0, 80.0), {0.01: CutFound(120.0 + by, 100.0, 10.0, 1.0, 0.0)})
        for k, by in enumerate((-20.0, 0.0, 20.0))
    ]
    found = injected_limit([*none, injection(20, 0.2), injection(1_000, 0.2)], 0.01)
    assert (found.model.observed, found.model.background) == (120.0, 100.0)
    assert found.model.error == pytest.approx((10**2 + 20**2 / 3) ** 0.5)
    assert found.expected[2] > injected_limit([none[1], injection(20, 0.2), injection(1_000, 0.2)], 0.01).expected[2]


def test_beyond_what_was_injected_nothing_is_said() -> None:
    with pytest.raises(InjectionError, match="nothing is said beyond"):
        injected_limit([injection(0, 0.2), injection(50, 0.2)], 0.01)
    with pytest.raises(InjectionError, match="without an injected signal"):
        injected_limit([injection(50, 0.2)], 0.01)
    with pytest.raises(InjectionError, match="No search has an injected signal"):
        injected_limit([injection(0, 0.2)], 0.01)
