from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics.sic_and_auc import FLOOR, SicCurve, auc, median_band, roc, sic


def gaussians(seed: int, separation: float, n_signal: int, n_background: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.normal(separation, 1, n_signal), rng.normal(0, 1, n_background)])
    return scores, np.arange(n_signal + n_background) < n_signal


def test_roc_of_gaussians_is_the_known_curve() -> None:
    scores, truth = gaussians(1, 1.5, 40_000, 40_000)
    curve = roc(scores, truth)
    expected = stats.norm.sf(stats.norm.isf(curve.background_efficiency) - 1.5)
    assert np.abs(curve.signal_efficiency - expected).max() < 0.015
    assert (curve.signal_efficiency[0], curve.background_efficiency[0]) == (0.0, 0.0)
    assert (curve.signal_efficiency[-1], curve.background_efficiency[-1]) == (1.0, 1.0)
    half = np.searchsorted(curve.background_efficiency, 0.5)
    assert curve.background_error[half] == pytest.approx(np.sqrt(0.25 / 40_000), rel=1e-3)
    assert curve.background_count[-1] == pytest.approx(40_000)
    assert curve.signal_error[-1] == pytest.approx(1 / 40_000, rel=1e-3), "all of n pass: known to about 1/n"


def test_auc_is_the_area_under_the_roc_and_the_mann_whitney_statistic() -> None:
    scores, truth = gaussians(2, 0.7, 300, 500)
    scores = np.round(scores, 1)  # ties
    curve = roc(scores, truth)
    area = np.trapezoid(curve.signal_efficiency, curve.background_efficiency)
    u = stats.mannwhitneyu(scores[truth], scores[~truth]).statistic / (300 * 500)
    assert auc(scores, truth).value == pytest.approx(area, rel=1e-12)
    assert auc(scores, truth).value == pytest.approx(u, rel=1e-12)


def test_auc_error_is_delongs() -> None:
    scores, truth = gaussians(3, 0.5, 30, 40)
    scores = np.round(scores, 1)
    s, b = scores[truth], scores[~truth]
    psi = (s[:, None] > b) + 0.5 * (s[:, None] == b)
    variance = psi.mean(axis=1).var(ddof=1) / len(s) + psi.mean(axis=0).var(ddof=1) / len(b)
    assert auc(scores, truth).error == pytest.approx(np.sqrt(variance), rel=1e-12)


def test_auc_error_covers_also_with_weights_of_both_signs() -> None:
    rng = np.random.default_rng(4)
    pulls = []
    for _ in range(400):
        scores = np.concatenate([rng.normal(0.6, 1, 250), rng.normal(0, 1, 400)])
        weights = np.where(rng.random(650) < 0.15, -1.0, rng.uniform(0.5, 3.0, 650))
        measured = auc(scores, np.arange(650) < 250, weights)
        pulls.append((measured.value - stats.norm.cdf(0.6 / np.sqrt(2))) / measured.error)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(400)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.13)


def test_a_weight_of_two_is_the_event_twice() -> None:
    scores, truth = gaussians(5, 1.0, 200, 300)
    weights = np.random.default_rng(5).integers(1, 4, 500)
    repeated = roc(np.repeat(scores, weights), np.repeat(truth, weights))
    weighted = roc(scores, truth, weights.astype(float))
    assert np.allclose(weighted.signal_efficiency, repeated.signal_efficiency)
    assert np.allclose(weighted.background_efficiency, repeated.background_efficiency)
    assert np.all(weighted.background_count <= repeated.background_count + 1e-9), "copies are no statistics"
    assert auc(scores, truth, weights.astype(float)).value == pytest.approx(
        auc(np.repeat(scores, weights), np.repeat(truth, weights)).value
    )
    assert auc(scores, truth, 3.0 * np.ones(500)).error == pytest.approx(auc(scores, truth).error)


def test_ranking_ignores_order_and_monotone_maps() -> None:
    scores, truth = gaussians(6, 1.0, 400, 600)
    shuffle = np.random.default_rng(6).permutation(1000)
    assert auc(np.exp(scores), truth) == auc(scores, truth)
    assert auc(scores[shuffle], truth[shuffle]).value == pytest.approx(auc(scores, truth).value)
    a, b = sic(scores, truth), sic(np.exp(scores)[shuffle], truth[shuffle])
    assert np.allclose(a.value, b.value)
    assert a.max_sic.value == pytest.approx(b.max_sic.value)


def test_significance_improvement_of_gaussians_is_the_known_one() -> None:
    scores, truth = gaussians(7, 2.0, 60_000, 400_000)
    curve = sic(scores, truth)
    for efficiency in (1e-2, 1e-3):
        expected = stats.norm.sf(stats.norm.isf(efficiency) - 2.0) / np.sqrt(efficiency)
        point = curve.sic_at(efficiency)
        assert abs(point.value - expected) < 4 * point.error
        assert point.error < 0.04 * expected
        assert point.above_floor
        assert point.background_count == pytest.approx(efficiency * 400_000, rel=1e-6)


def test_errors_of_the_significance_improvement_cover() -> None:
    of_cut, at_efficiency = [], []
    for seed in range(300):
        scores, truth = gaussians(1000 + seed, 1.5, 400, 3000)
        curve = sic(scores, truth)
        cut = (
            np.searchsorted(-curve.roc.threshold, -1.645, side="right")
            - 1
            - (len(curve.roc.threshold) - len(curve.value))
        )
        of_cut.append((curve.value[cut], curve.error[cut]))
        at_efficiency.append((curve.sic_at(0.05).value, curve.sic_at(0.05).error))
    expected = stats.norm.sf(1.645 - 1.5) / np.sqrt(0.05)
    value, error = np.array(of_cut).T
    assert np.mean((value - expected) / error) == pytest.approx(0.0, abs=0.25)
    assert value.std() == pytest.approx(error.mean(), rel=0.15)
    # Where the background efficiency itself is fixed the errors partly measure the same thing: the quoted one is safe.
    value, error = np.array(at_efficiency).T
    assert 0.6 < value.std() / error.mean() < 1.1


@pytest.mark.parametrize("seed", range(6))
def test_random_scores_improve_nothing(seed: int) -> None:
    scores, truth = gaussians(seed, 0.0, 2000, 50_000)
    curve = sic(scores, truth)
    best = curve.max_sic
    assert np.all(np.isfinite(curve.value))
    assert best.background_count > FLOOR
    assert best.value - 1 < 4 * best.error
    assert curve.value.min() >= 0
    assert abs(auc(scores, truth).value - 0.5) < 4 * auc(scores, truth).error


def test_without_a_floor_the_maximum_would_be_nonsense() -> None:
    scores, truth = gaussians(8, 0.0, 200, 50_000)
    scores[:3] = 100.0  # three lucky signal events above all background
    floored = sic(scores, truth).max_sic
    unfloored = sic(scores, truth, floor=0.0).max_sic
    assert floored.value < 1.6
    assert unfloored.value > floored.value
    assert np.isfinite(unfloored.value)
    assert unfloored.background_count < FLOOR
    below = sic(scores, truth).sic_at(1e-5)
    assert not below.above_floor
    assert np.isfinite(below.value)
    assert np.isfinite(below.error)


def test_the_floor_counts_effective_events() -> None:
    scores, truth = gaussians(9, 0.5, 500, 4000)
    weights = np.where(np.arange(4500) % 2, 1.0, 9.0)
    curve = sic(scores, truth, weights)
    assert curve.background_count.min() > FLOOR
    passing = (scores >= roc(scores, truth, weights).threshold[-len(curve.value)]) & ~truth
    assert weights[passing].sum() ** 2 / (weights[passing] ** 2).sum() > FLOOR
    assert passing.sum() > FLOOR, "more raw than effective events"


def test_tied_scores_are_one_cut() -> None:
    truth = np.array([True] * 50 + [False] * 400)
    curve = roc(np.full(450, 0.3), truth)
    assert len(curve.threshold) == 2
    assert auc(np.full(450, 0.3), truth).value == 0.5
    assert sic(np.full(450, 0.3), truth).max_sic.value == 1.0
    infinite = np.where(truth, np.inf, 0.0)
    assert len(roc(infinite, truth).threshold) == 3


def test_negative_weights_leave_no_infinity() -> None:
    rng = np.random.default_rng(10)
    scores, truth = gaussians(10, 1.0, 3000, 20_000)
    weights = np.where(rng.random(23_000) < 0.2, -1.0, 1.0)
    curve = sic(scores, truth, weights)
    plain = sic(scores, truth)
    assert np.all(np.isfinite(curve.value))
    assert np.all(curve.background_efficiency > 0)
    assert curve.sic_at(0.05).value == pytest.approx(plain.sic_at(0.05).value, rel=0.15)


def test_median_band_interpolates_the_rejection_on_a_common_axis() -> None:
    curves = [sic(*gaussians(20 + i, 1.5, 3000, 30_000)) for i in range(9)]
    band = median_band(curves)
    starts = [c.signal_efficiency.min() for c in curves]
    assert band.signal_efficiency[0] == max(starts)
    assert np.all(band.low <= band.median)
    assert np.all(band.median <= band.high)
    assert band.median[-1] == pytest.approx(1.0, abs=0.02)
    middle = np.searchsorted(band.signal_efficiency, 0.4)
    assert band.median[middle] == pytest.approx(
        band.signal_efficiency[middle] / np.sqrt(stats.norm.sf(1.5 + stats.norm.isf(band.signal_efficiency[middle]))),
        rel=0.05,
    )
    alone = median_band(curves[:1], signal_efficiency=curves[0].signal_efficiency[100:4000:7])
    assert np.allclose(alone.low, alone.high)
    between = _two_point_curve(), _two_point_curve()
    # Halfway between 1/ε_B = 100 and 1 lies 50.5, not the 5.5 of a halved √.
    assert median_band(between, signal_efficiency=np.array([0.6])).median[0] == pytest.approx(0.6 * np.sqrt(50.5))


def _two_point_curve() -> SicCurve:
    signal, background = np.array([0.2, 1.0]), np.array([0.01, 1.0])
    scores, truth = gaussians(1, 1.0, 100, 100)
    return SicCurve(signal, background, background * 1e4, signal, signal, 25.0, roc(scores, truth))


@pytest.mark.parametrize(
    ("scores", "truth", "weights"),
    [
        ([0.1, 0.2], [True, True], None),
        ([0.1, 0.2], [False, False], None),
        ([0.1, np.nan], [True, False], None),
        ([0.1, 0.2, 0.3], [True, False], None),
        ([0.1, 0.2, 0.3], [True, False, False], [1.0, 1.0, -1.0]),
        ([0.1, 0.2], [True, False], [1.0, np.inf]),
    ],
)
def test_what_can_not_be_ranked_is_refused(scores: list[float], truth: list[bool], weights: list[float] | None) -> None:
    for metric in (roc, auc):
        with pytest.raises(MetricError):
            metric(np.array(scores), np.array(truth), None if weights is None else np.array(weights))


def test_too_little_background_is_refused_by_name() -> None:
    scores, truth = gaussians(11, 1.0, 100, 20)
    with pytest.raises(TooFewEventsError, match="20"):
        sic(scores, truth)
    with pytest.raises(MetricError):
        sic(*gaussians(11, 1.0, 100, 100)).sic_at(0.0)
    with pytest.raises(MetricError):
        median_band([])
