from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from analysis.errors import CountingError
from analysis.statistics.p_values import (
    closure_shift,
    log_p_to_z,
    on_off_log_p_value,
    on_off_p_value,
    order_statistic_p_value,
    p_to_z,
    poisson_log_p_value,
    poisson_p_value,
    significance_with_uncertainty,
    template_background,
    z_to_log_p,
    z_to_p,
)

TOYS = 20_000


def test_p_and_z_invert_each_other_far_beyond_double_precision() -> None:
    z = np.linspace(-5, 37, 50)
    assert np.allclose(p_to_z(z_to_p(z)), z, rtol=1e-9)
    far = np.array([-8.0, 0.0, 38.0, 60.0, 1000.0])
    assert np.allclose(log_p_to_z(z_to_log_p(far)), far, rtol=1e-12, atol=1e-9)
    assert float(z_to_p(0.0)) == 0.5
    assert float(p_to_z(1.0)) == -np.inf
    assert float(p_to_z(0.0)) == np.inf
    # A cumulative distribution subtracted from one has no digits left here.
    assert float(p_to_z(1e-20)) == pytest.approx(9.262340089798408, rel=1e-12)


def test_poisson_p_value_is_the_sum_of_the_tail() -> None:
    for n, b in [(0, 3.2), (1, 0.01), (7, 3.2), (300, 250.0)]:
        summed = 1.0 - stats.poisson.pmf(np.arange(n), b).sum()
        assert float(poisson_p_value(n, b)) == pytest.approx(summed, rel=1e-9)
    assert float(poisson_p_value(3, 0.0)) == 0.0
    assert float(poisson_p_value(0, 0.0)) == 1.0


def test_on_off_equals_its_negative_binomial_and_its_binomial_form() -> None:
    n_on, n_off, tau = np.meshgrid([1, 5, 140, 900], [0, 3, 100, 2000], [0.25, 1.0, 4.0])
    p = on_off_p_value(n_on, n_off, tau)
    assert np.allclose(p, stats.nbinom.sf(n_on - 1, n_off + 1, tau / (1 + tau)), rtol=1e-9)
    assert np.allclose(p, stats.binom.sf(n_on - 1, n_on + n_off, 1 / (1 + tau)), rtol=1e-9)
    assert float(on_off_p_value(0, 12, 2.0)) == 1.0
    # The published numbers: one event more in the template shape is the difference between the two conventions.
    assert float(on_off_p_value(140, 100, 1.0)) == pytest.approx(0.00583, abs=5e-6)
    assert float(on_off_p_value(140, 99, 1.0)) == pytest.approx(0.00476, abs=5e-6)


def test_a_large_template_is_a_known_background() -> None:
    assert float(on_off_p_value(20, 10 * 10**7, 1e7)) == pytest.approx(float(poisson_p_value(20, 10.0)), rel=1e-5)


@pytest.mark.parametrize("n", [400, 5000, 40_000])
def test_tails_below_double_precision_are_the_sum_of_their_terms(n: int) -> None:
    terms = np.arange(n, n + 200_000)
    for rate in (n // 50, n // 2):
        on_off = special.logsumexp(stats.nbinom.logpmf(terms, rate + 1, 0.5))
        assert float(on_off_log_p_value(n, rate, 1.0)) == pytest.approx(on_off, rel=1e-9)
        known = special.logsumexp(stats.poisson.logpmf(terms, rate))
        assert float(poisson_log_p_value(n, rate)) == pytest.approx(known, rel=1e-9)
    assert float(on_off_p_value(n, n // 50, 1.0)) < 1e-90
    assert np.isfinite(float(log_p_to_z(on_off_log_p_value(n, n // 50, 1.0))))


def test_series_agrees_with_the_special_function_where_both_exist() -> None:
    import analysis.statistics.p_values as counting

    expected = on_off_log_p_value([60, 500], [20, 300], 1.5), poisson_log_p_value([60, 500], [20.0, 300.0])
    patch = pytest.MonkeyPatch()
    patch.setattr(counting, "_UNDERFLOW", 1.1)
    try:
        assert np.allclose(on_off_log_p_value([60, 500], [20, 300], 1.5), expected[0], rtol=1e-10)
        assert np.allclose(poisson_log_p_value([60, 500], [20.0, 300.0]), expected[1], rtol=1e-10)
    finally:
        patch.undo()


def _randomised(p_of: object, n: np.ndarray, rng: np.random.Generator, *rest: float) -> np.ndarray:
    """A discrete p-value spread over its own step: exactly uniform if and only if p is the exact tail probability."""
    p, beyond = p_of(n, *rest), p_of(n + 1, *rest)  # type: ignore[operator]
    return beyond + rng.random(len(n)) * (p - beyond)


def test_order_statistic_p_value_is_exact_for_a_cut_at_a_template_event() -> None:
    rng = np.random.default_rng(11)
    n_data, n_template, rank = 120, 150, 8
    template = rng.random((TOYS, n_template), dtype=np.float32)
    cut = np.partition(template, n_template - rank, axis=1)[:, n_template - rank]
    n_on = (rng.random((TOYS, n_data), dtype=np.float32) >= cut[:, None]).sum(axis=1)
    p = order_statistic_p_value(n_on, rank, n_data, n_template)
    for alpha in (0.3, 0.1, 0.01):
        assert np.mean(p <= alpha) < alpha + 4 * np.sqrt(alpha / TOYS)
    exact = _randomised(order_statistic_p_value, n_on, rng, rank, n_data, n_template)
    assert stats.kstest(exact, "uniform").pvalue > 1e-3
    # One rank off is one event off, and the toys see it in both directions.
    for wrong in (rank - 1, rank + 1):
        biased = _randomised(order_statistic_p_value, n_on, rng, wrong, n_data, n_template)
        assert stats.kstest(biased, "uniform").pvalue < 1e-6


def test_order_statistic_is_the_beta_binomial() -> None:
    n_on = np.arange(0, 12)
    direct = stats.betabinom.sf(n_on - 1, 500, 4, 900 - 4 + 1)
    assert np.allclose(order_statistic_p_value(n_on, 4, 500, 900), direct, rtol=1e-8)


def test_on_off_with_the_events_strictly_above_is_the_poisson_limit_of_the_order_statistic() -> None:
    rng = np.random.default_rng(12)
    rank, tau = 10, 4.0
    # The efficiency beyond the rank-th of many template events, in units of 1/n_data, is Gamma(rank)/tau.
    n_on = rng.poisson(rng.gamma(rank, 1 / tau, TOYS))
    above = _randomised(on_off_p_value, n_on, rng, rank - 1, tau)
    assert stats.kstest(above, "uniform").pvalue > 1e-3
    at_or_above = _randomised(on_off_p_value, n_on, rng, rank, tau)
    assert stats.kstest(at_or_above, "uniform").pvalue < 1e-6
    assert at_or_above.mean() > 0.5, "counting the event at the cut errs on the safe side"
    big = 10_000_000
    limit = order_statistic_p_value(30, 25, big, 2 * big)
    assert float(limit) == pytest.approx(float(on_off_p_value(30, 24, 2.0)), rel=1e-4)


def test_over_folds_the_ranks_add_and_one_event_is_taken_off_once() -> None:
    rng = np.random.default_rng(13)
    ranks, tau = np.array([3, 4, 2, 5, 3]), 2.0
    n_on = rng.poisson(rng.gamma(ranks, 1 / tau, (TOYS, 5))).sum(axis=1)
    once = _randomised(on_off_p_value, n_on, rng, ranks.sum() - 1, tau)
    assert stats.kstest(once, "uniform").pvalue > 1e-3
    per_fold = _randomised(on_off_p_value, n_on, rng, ranks.sum() - 5, tau)
    assert stats.kstest(per_fold, "uniform").pvalue < 1e-6


@pytest.mark.parametrize(("rate", "tau"), [(0.5, 1.0), (5.0, 0.5), (60.0, 4.0)])
def test_on_off_never_overstates_when_the_cut_is_independent_of_the_template(rate: float, tau: float) -> None:
    rng = np.random.default_rng(14)
    p = on_off_p_value(rng.poisson(rate, TOYS), rng.poisson(rate * tau, TOYS), tau)
    for alpha in (0.2, 0.05, 0.01, 0.002):
        assert np.mean(p <= alpha) < alpha + 4 * np.sqrt(alpha / TOYS)
    if rate > 50:
        assert np.mean(p <= 0.05) > 0.04


def test_significance_with_uncertainty_has_the_published_value() -> None:
    z = significance_with_uncertainty(140, 100, 10)
    assert float(z) == pytest.approx(2.588, abs=5e-4)
    assert float(z_to_p(z)) == pytest.approx(0.0048, abs=5e-5)


def test_significance_goes_over_into_the_limit_of_a_known_background() -> None:
    limit = np.sqrt(2 * (140 * np.log(1.4) - 40))
    sigma = np.concatenate([[0.0], 10.0 ** np.arange(-200.0, -3.0)])
    assert np.allclose(significance_with_uncertainty(140, 100, sigma), limit, rtol=1e-9)
    grown = significance_with_uncertainty(140, 100, np.geomspace(1e-3, 50, 40))
    assert np.all(np.diff(grown) < 0), "more uncertainty is never more significance"


def test_deficits_are_negative_and_an_empty_cut_has_its_limit() -> None:
    assert float(significance_with_uncertainty(60, 100, 10)) == pytest.approx(-3.18, abs=0.01)
    assert float(significance_with_uncertainty(100, 100, 10)) == 0.0
    for b, sigma in [(5.0, 0.0), (5.0, 1.0), (300.0, 40.0)]:
        ratio = sigma**2 / b
        expected = -np.sqrt(2 * b * (np.log1p(ratio) / ratio if ratio else 1.0))
        assert float(significance_with_uncertainty(0, b, sigma)) == pytest.approx(expected, rel=1e-12)
        assert float(significance_with_uncertainty(1e-9, b, sigma)) == pytest.approx(expected, rel=1e-6)


def test_significance_is_smooth_through_zero_excess() -> None:
    b = 1e6
    excess = np.array([-1e3, -30.0, -10.5, -9.5, -1e-3, 0.0, 1e-3, 9.5, 10.5, 30.0, 1e3])
    assert np.allclose(significance_with_uncertainty(b + excess, b, 500.0), excess / np.sqrt(b + 500.0**2), rtol=1e-3)


def test_significance_profiles_the_on_off_likelihood() -> None:
    """Numerically: maximise Poisson(n | mu) Poisson(m | tau mu) with tau = b/sigma², m = tau b."""
    n, b, sigma = 37.0, 21.0, 6.0
    tau = b / sigma**2
    m = tau * b

    def log_likelihood(mu: float, rate: float) -> float:
        return float(n * np.log(rate) - rate + m * np.log(tau * mu) - tau * mu)

    mu = (n + m) / (1 + tau)
    z = np.sqrt(2 * (log_likelihood(b, n) - log_likelihood(mu, mu)))
    assert float(significance_with_uncertainty(n, b, sigma)) == pytest.approx(z, rel=1e-10)


def test_template_background_and_its_closure() -> None:
    estimate = template_background(400, 100_000, 25_000, shift=0.1, systematic=0.05)
    assert estimate.count == pytest.approx(110)
    assert estimate.statistical == pytest.approx(110 / 20)
    assert estimate.error == pytest.approx(110 * np.sqrt(1 / 400 + 0.05**2))
    closed = closure_shift(121, estimate)
    assert closed.shift == pytest.approx(0.1)
    assert closed.error == pytest.approx(np.sqrt(1 / 110 + 1 / 400))


@pytest.mark.parametrize(
    "call",
    [
        lambda: on_off_p_value(-1, 3, 1.0),
        lambda: on_off_p_value(1, 3, 0.0),
        lambda: on_off_p_value(np.nan, 3, 1.0),
        lambda: p_to_z(1.5),
        lambda: significance_with_uncertainty(3, 0.0, 1.0),
        lambda: significance_with_uncertainty(3, 1.0, -1.0),
        lambda: order_statistic_p_value(11, 3, 10, 100),
        lambda: template_background(0, 100, 10),
    ],
)
def test_impossible_counts_are_refused(call: object) -> None:
    with pytest.raises(CountingError):
        call()  # type: ignore[operator]
