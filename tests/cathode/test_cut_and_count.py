"""From scores to a p-value: the cut, the prediction, and how unlikely a count is under it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.errors import TooFewEventsError
from analysis.statistics.p_values import on_off_p_value, order_statistic_p_value, significance_with_uncertainty
from cathode.cut_and_count import Count, Cut, background_only, count, from_spectrum, make_cut
from cathode.errors import WeightsError
from cathode.methods.protocol import Reference
from cathode.result import CutResult
from cathode.template.mass_models import Expected

CUT = Cut(0.01, np.zeros(2))


def reference(scores: np.ndarray, fold: np.ndarray, weights: np.ndarray | None = None) -> Reference:
    """A reference of which only scores, folds and weights matter."""
    weights = np.ones(len(scores)) if weights is None else weights
    return Reference(np.empty((len(scores), 0)), np.empty(len(scores)), scores, fold, weights)


def outcome(
    observed: float, expected: float, passing: int = 100, systematic: float = 0.0, total: int = 10_000
) -> CutResult:
    return background_only(
        Count(observed, expected, passing, total, passing), CUT, systematic=systematic, signal_efficiency=None
    )


class TestCut:
    @pytest.mark.parametrize("efficiency", [0.1, 0.013, 0.0025])
    def test_chosen_fraction_of_the_template_of_every_fold_passes(self, efficiency: float) -> None:
        rng = np.random.default_rng(1)
        fold = rng.integers(0, 3, 5_000)
        scores = rng.standard_normal(5_000) + 10.0 * fold
        cut = make_cut(efficiency, reference(scores, fold), 3)
        passes = cut.passes(scores, fold)
        for index in range(3):
            mine = fold == index
            assert passes[mine].sum() == round(efficiency * mine.sum())
            assert cut.thresholds[index] == scores[mine & passes].min()

    def test_only_the_order_of_the_scores_within_a_fold_matters(self) -> None:
        """Classifiers of different folds have different scales; nothing may depend on them."""
        rng = np.random.default_rng(2)
        template_fold, data_fold = rng.integers(0, 4, 4_000), rng.integers(0, 4, 1_000)
        template, data, weights = rng.standard_normal(4_000), rng.standard_normal(1_000), rng.random(1_000)

        def counted(t: np.ndarray, d: np.ndarray) -> Count:
            cut = make_cut(0.05, reference(t, template_fold), 4)
            return count(cut, d, weights, data_fold, reference(t, template_fold))

        plain = counted(template, data)
        warped = counted(np.exp(template) + 100 * template_fold, np.exp(data) + 100 * data_fold)
        assert warped == plain

    @pytest.mark.parametrize("size", [4, 49, 99])
    def test_too_small_a_template_is_refused_with_the_numbers(self, size: int) -> None:
        fold = np.repeat([0, 1], [1_000, size])
        with pytest.raises(
            TooFewEventsError, match=rf"0\.005 leaves .* of the template .* fold 1, which are {size}\..*overs"
        ):
            make_cut(0.005, reference(np.arange(1_000.0 + size), fold), 2)

    def test_ties_at_the_cut_all_pass_on_both_sides(self) -> None:
        """Trees give few distinct scores; the prediction counts what passes, not what was asked for."""
        template, fold = np.repeat([0.0, 1.0, 2.0], [900, 60, 40]), np.zeros(1_000, np.int64)
        cut = make_cut(0.05, reference(template, fold), 1)
        counted = count(cut, np.array([0.0, 1.0, 1.0]), np.ones(3), np.zeros(3, np.int64), reference(template, fold))
        assert (counted.template_passing, counted.observed) == (100, 2)
        assert counted.expected == pytest.approx(0.1 * 3)


class TestCount:
    def test_prediction_is_the_template_efficiency_of_every_fold_times_its_data(self) -> None:
        cut = Cut(0.1, np.array([1.0, 5.0]))
        template, template_fold = np.array([0, 2, 2, 2, 9, 0.0]), np.array([0, 0, 0, 0, 1, 1])
        data, data_fold = np.array([2, 0, 6, 6, 4.0]), np.array([0, 0, 1, 1, 1])
        weights = np.array([1.0, 10.0, 2.0, 3.0, 0.5])
        counted = count(cut, data, weights, data_fold, reference(template, template_fold))
        assert counted.observed == 1.0 + 2.0 + 3.0
        assert counted.expected == pytest.approx(3 / 4 * 11.0 + 1 / 2 * 5.5)
        assert (counted.template_passing, counted.template_total) == (4, 6)

    def test_unevenly_filled_folds_bias_nothing(self) -> None:
        """All data of one distribution in one fold: the other fold's efficiency must not enter."""
        rng = np.random.default_rng(3)
        template, template_fold = rng.random(200_000), rng.integers(0, 2, 200_000)
        cut = Cut(0.1, np.array([0.9, 0.5]))
        data_fold = (rng.random(100_000) < 0.9).astype(np.int64)
        counted = count(cut, rng.random(100_000), np.ones(100_000), data_fold, reference(template, template_fold))
        assert counted.expected == pytest.approx(0.1 * 10_000 + 0.5 * 90_000, rel=0.01)
        assert counted.observed == pytest.approx(counted.expected, rel=0.02)


class TestWeightedReference:
    def test_weights_count_like_as_many_copies(self) -> None:
        """Integer weights are copies of an event: the same cut, the same prediction, and fewer effective events."""
        rng = np.random.default_rng(8)
        scores, fold = rng.random(4_000), rng.integers(0, 3, 4_000)
        copies = rng.integers(1, 4, 4_000)
        weighted = reference(scores, fold, copies.astype(float))
        copied = reference(np.repeat(scores, copies), np.repeat(fold, copies))
        data, data_fold = rng.random(900), rng.integers(0, 3, 900)
        cut = make_cut(0.05, weighted, 3)
        # Copies are all on one side of a threshold, so both cuts agree to less than one event.
        np.testing.assert_allclose(cut.thresholds, make_cut(0.05, copied, 3).thresholds, atol=2e-3)
        one, other = (count(cut, data, np.ones(900), data_fold, r) for r in (weighted, copied))
        assert one.expected == pytest.approx(other.expected, rel=1e-12)
        assert one.effective < other.effective == other.template_passing

    @pytest.mark.parametrize("unit", [0.25, 3.7, 1e-300])
    def test_the_unit_of_the_weights_decides_nothing(self, unit: float) -> None:
        rng = np.random.default_rng(9)
        scores, fold, weights = rng.random(4_000), rng.integers(0, 3, 4_000), rng.exponential(size=4_000)
        data, data_fold = rng.random(900), rng.integers(0, 3, 900)
        results = []
        for each in (weights, unit * weights):
            cut = make_cut(0.05, reference(scores, fold, each), 3)
            counts = count(cut, data, np.ones(900), data_fold, reference(scores, fold, each))
            results.append(background_only(counts, cut, systematic=0.0, signal_efficiency=None))
        assert results[1].p_value == pytest.approx(results[0].p_value, rel=1e-9)
        assert results[1].thresholds == results[0].thresholds

    def test_passing_weights_that_cancel_are_no_expectation(self) -> None:
        """Generators of events with negative weights leave regions where those cancel; no number is made of them."""
        scores, fold = np.arange(8.0), np.zeros(8, np.int64)
        for last in (-1.0, -3.0):
            r = reference(scores, fold, np.array([5.0, 5, 5, 5, 5, 5, 1, last]))
            counts = count(Cut(0.2, np.array([6.0])), np.array([7.0, 7.0, 1.0]), np.ones(3), np.zeros(3, np.int64), r)
            assert (counts.observed, counts.template_passing) == (2.0, 2)
            found = background_only(counts, Cut(0.2, np.array([6.0])), systematic=0.1, signal_efficiency=None)
            assert np.isnan([found.p_value, found.p_value_exact, found.significance, found.uncertainty]).all()
            assert found.expected <= 0
            assert "2 reference events above the cut sum to nothing positive" in found.reason

    def test_a_fold_of_the_reference_without_weight_is_named(self) -> None:
        for weights in (np.zeros(200), np.tile([1.0, -1.0], 100), -np.ones(200)):
            everything = np.concatenate([np.ones(200), weights])
            with pytest.raises(WeightsError, match="200 events of the reference in fold 1 sum to"):
                make_cut(0.1, reference(np.arange(400.0), np.repeat([0, 1], 200), everything), 2)

    def test_error_of_the_prediction_is_its_scatter(self) -> None:
        """Over many weighted references the prediction scatters as its statistical error says."""
        rng = np.random.default_rng(10)
        cut = Cut(0.05, np.array([0.95]))
        data, ones, zeros = rng.random(2_000), np.ones(2_000), np.zeros(2_000, np.int64)
        found = []
        for _ in range(400):
            r = reference(rng.random(3_000), np.zeros(3_000, np.int64), rng.exponential(size=3_000))
            counts = count(cut, data, ones, zeros, r)
            found.append((counts.expected, background_only(counts, cut, systematic=0.0, signal_efficiency=None)))
        spread = np.std([expected for expected, _ in found])
        assert spread == pytest.approx(np.mean([result.statistical for _, result in found]), rel=0.12)


class TestSpectrum:
    def test_p_value_is_that_of_a_gaussian_expectation(self) -> None:
        counts = Count(140.0, 1.0, 90, 10_000, 90)
        found = from_spectrum(counts, CUT, Expected(100.0, 8.0), signal_efficiency=None)
        assert found.significance == pytest.approx(significance_with_uncertainty(140, 100, 8), abs=0.08)
        assert (found.estimate, found.expected, found.statistical) == ("spectrum", 100.0, 8.0)

    def test_a_failed_fit_claims_nothing(self) -> None:
        found = from_spectrum(Count(140.0, 1.0, 90, 10_000, 90), CUT, None, reason="no fit", signal_efficiency=None)
        assert np.isnan([found.expected, found.p_value, found.significance]).all()
        assert found.reason == "no fit"


class TestWeights:
    def counted(self, weights: np.ndarray, observed_seed: int = 4) -> CutResult:
        rng = np.random.default_rng(observed_seed)
        template, template_fold = rng.random(20_000), rng.integers(0, 5, 20_000)
        data, data_fold = rng.random(5_000) ** 0.95, rng.integers(0, 5, 5_000)
        cut = make_cut(0.02, reference(template, template_fold), 5)
        counts = count(cut, data, weights, data_fold, reference(template, template_fold))
        return background_only(counts, cut, systematic=0.02, signal_efficiency=None)

    @pytest.mark.parametrize("unit", [2.0, 0.01, 1e5])
    def test_the_unit_of_the_weights_scales_the_counts_and_no_probability(self, unit: float) -> None:
        one, scaled = self.counted(np.ones(5_000)), self.counted(np.full(5_000, unit))
        assert scaled.observed == pytest.approx(unit * one.observed)
        assert scaled.expected == pytest.approx(unit * one.expected)
        assert scaled.p_value == pytest.approx(one.p_value, rel=1e-9)
        assert scaled.p_value_exact == pytest.approx(one.p_value_exact, rel=1e-9)
        assert 0 < one.significance < 10

    def test_spread_weights_are_worth_fewer_events(self) -> None:
        """A tenth of the events with almost all of the weight fluctuate as a tenth of the events."""
        weights = np.where(np.arange(5_000) % 10 == 0, 10.0, 1e-3)
        few = self.counted(weights)
        assert few.expected == pytest.approx(self.counted(np.ones(5_000)).expected, rel=0.05)
        pulls = [
            (r.observed - r.expected) / r.expected
            for r in (self.counted(weights, observed_seed=s) for s in range(60, 90))
        ]
        # About 10 effective events of 100: their spread is a third, not a tenth.
        assert 0.2 < np.std(pulls) < 0.5
        assert np.std([r.significance for r in (self.counted(weights, s) for s in range(60, 90))]) < 1.2

    def test_negative_weights_are_counted(self) -> None:
        weights = np.where(np.arange(5_000) % 20 == 0, -1.0, 1.0)
        found = self.counted(weights)
        assert found.expected == pytest.approx(0.9 * self.counted(np.ones(5_000)).expected, rel=0.03)
        assert 0 < found.p_value < 1

    def test_sum_below_zero_is_no_excess(self) -> None:
        counts = Count(-2.0, 1.5, 40, 10_000, 40)
        found = background_only(counts, CUT, systematic=0.1, signal_efficiency=None)
        assert found.p_value == 1.0
        assert found.significance < 0


def test_a_template_of_constant_scores_selects_nothing_and_says_so() -> None:
    scores, fold = np.full(4_000, 0.5), np.arange(4_000) % 2
    reference = Reference(np.zeros((4_000, 1)), np.ones(4_000), scores, fold, np.ones(4_000))
    cut = make_cut(0.01, reference, 2)
    found = background_only(
        count(cut, scores[:1_000], np.ones(1_000), fold[:1_000], reference), cut, systematic=0.0, signal_efficiency=None
    )
    assert (found.observed, found.expected, found.realised_efficiency) == (1_000, 1_000, 1.0)
    assert found.obstacle.startswith("scores are tied: 100 % of the template pass")
    assert found.local("passed") == "not computable"


class TestPValue:
    @pytest.mark.parametrize(
        ("observed", "passing", "ratio"), [(140, 100, 1.0), (31, 61, 4.0), (3, 1, 2.0), (7, 5, 0.5)]
    )
    def test_exact_one_is_that_of_the_order_statistic_in_large_samples(
        self, observed: int, passing: int, ratio: float
    ) -> None:
        found = outcome(observed, passing / ratio, passing)
        size = 10_000_000
        expected = order_statistic_p_value(observed, passing, size, int(ratio * size))
        assert found.p_value_exact == pytest.approx(float(expected), rel=1e-4)
        assert found.p_value_exact == pytest.approx(float(on_off_p_value(observed, passing - 1, ratio)), rel=1e-9)

    @pytest.mark.parametrize("observed", [0, 80, 100, 140, 400])
    def test_without_a_systematic_both_agree(self, observed: int) -> None:
        found = outcome(observed, 100.0)
        assert found.p_value == found.p_value_exact
        assert found.systematic == 0

    def test_grows_with_the_systematic_of_an_excess(self) -> None:
        found = [outcome(180, 100.0, 400, s) for s in (0.0, 1e-6, 0.02, 0.1, 0.3, 1.0, 10.0)]
        p = [r.p_value for r in found]
        assert p == sorted(p)
        assert p[0] < 1e-9
        assert p[-2] > 0.1
        assert len({r.p_value_exact for r in found}) == 1
        assert [r.systematic for r in found] == pytest.approx([100 * s for s in (0.0, 1e-6, 0.02, 0.1, 0.3, 1.0, 10.0)])

    def test_falls_with_the_observed_count(self) -> None:
        z = [outcome(n, 100.0, 400, 0.1).significance for n in range(101, 400, 7)]
        assert z == sorted(z)
        assert len(set(z)) == len(z)

    @pytest.mark.parametrize(
        ("observed", "background", "sigma"), [(1_400, 1_000, 50), (10_300, 10_000, 150), (1e5, 8e4, 1e4)]
    )
    def test_large_counts_have_the_asymptotic_significance(
        self, observed: float, background: float, sigma: float
    ) -> None:
        """Whether the error is statistical or systematic, or both: only the quadratic sum counts."""
        asymptotic = float(significance_with_uncertainty(observed, background, sigma))
        template = round((background / sigma) ** 2)
        half = sigma / background / 2**0.5
        for found in (
            outcome(observed, background, template),
            outcome(observed, background, 10**9, sigma / background),
            outcome(observed, background, 2 * template, half),
        ):
            assert found.significance == pytest.approx(asymptotic, abs=0.06)
            assert found.uncertainty == pytest.approx(sigma, rel=0.01)

    def test_one_large_published_number(self) -> None:
        """140 over 100 ± 10 is Z = 2.588 with Poisson errors only in the asymptotic limit; exactly a little less."""
        assert outcome(140, 100.0, 100).significance == pytest.approx(2.588, abs=0.08)

    @pytest.mark.parametrize("observed", [0, 50, 80, 99])
    def test_a_deficit_is_as_negative_as_its_probability(self, observed: int) -> None:
        """Against a sum over the gamma-Poisson mixture that the negative binomial is."""
        found = outcome(observed, 100.0, 400, 0.0)
        rate = np.linspace(1, 300, 60_001)
        weight = stats.gamma.pdf(rate, 400, scale=100 / 400) * (rate[1] - rate[0])
        at_most = float(weight @ stats.poisson.cdf(observed, rate))
        assert found.significance == pytest.approx(-stats.norm.isf(at_most), abs=1e-3)
        assert found.p_value > 0.5

    def test_the_sign_changes_where_neither_tail_is_below_one_half(self) -> None:
        z = [outcome(n, 100.0, 400, 0.05).significance for n in range(70, 131)]
        assert z == sorted(z)
        assert z[0] < -2
        assert z[-1] > 2
        assert 0.0 in z

    def test_overwhelming_excess_keeps_its_significance(self) -> None:
        found = outcome(50_000, 100.0, 10**6)
        assert found.p_value == 0  # beyond double precision
        assert 300 < found.significance < 1_000

    def test_is_uniform_for_exchangeable_scores(self) -> None:
        """Data and template of one distribution, cut at a template score: what a search does, without its learning."""
        rng = np.random.default_rng(11)
        p = []
        for _ in range(400):
            template, fold = rng.random(20_000), np.arange(20_000) % 5
            data_fold = rng.integers(0, 5, 10_000)
            cut = make_cut(0.03, reference(template, fold), 5)
            counts = count(cut, rng.random(10_000), np.ones(10_000), data_fold, reference(template, fold))
            p.append(background_only(counts, cut, systematic=0.0, signal_efficiency=None).p_value_exact)
        assert stats.kstest(p, "uniform").pvalue > 0.01
        assert stats.binomtest(int(np.sum(np.array(p) < 0.05)), 400, 0.05).pvalue > 0.01
