"""What a significance is worth under the significances of background-only experiments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cathode.calibration.null import NullDistribution, corrected_significances, halves
from cathode.errors import CalibrationError


def null(n: int, seed: int, mean: float = 0.0, width: float = 1.0) -> NullDistribution:
    return NullDistribution(tuple(np.random.default_rng(seed).normal(mean, width, n)))


def test_mean_width_and_their_errors_cover() -> None:
    pulls = []
    for seed in range(300):
        found = null(80, seed, 0.6, 0.75)
        pulls.append([(found.mean[0] - 0.6) / found.mean[1], (found.width[0] - 0.75) / found.width[1]])
    np.testing.assert_allclose(np.mean(pulls, axis=0), 0, atol=0.25)
    np.testing.assert_allclose(np.std(pulls, axis=0), 1, atol=0.12)


def test_corrected_p_values_of_the_same_distribution_are_valid() -> None:
    """Whatever the distribution: skewed, shifted, too narrow."""
    rng = np.random.default_rng(2)
    for draw in (lambda n: rng.normal(0.64, 0.76, n), lambda n: rng.gamma(2.0, 1.0, n), lambda n: rng.uniform(0, 3, n)):
        p = [NullDistribution(tuple(draw(39))).corrected(float(draw(1)[0])) for _ in range(3_000)]
        inside = np.array([each.value for each in p if not each.extrapolated])
        for level in (0.1, 0.3, 0.6):
            share = np.sum(inside <= level) / len(p)
            assert share <= level + 3 * (level * (1 - level) / len(p)) ** 0.5


def test_few_experiments_do_not_make_a_small_p_value() -> None:
    """Of a normal distribution of which 20 are known: beyond them all, too, p-values are right."""
    values = np.random.default_rng(4).standard_normal((8_000, 21)) * 0.7 + 0.3
    p = np.array([NullDistribution(tuple(row[:20])).corrected(float(row[20])).value for row in values])
    for level in (1e-2, 1e-3):
        assert (p <= level).mean() <= level + 3 * (level / len(p)) ** 0.5


def test_inside_it_counts_and_outside_it_says_that_it_extrapolates() -> None:
    found = null(500, 3, 0.5, 0.8)
    values = np.sort(found.significances)
    counted = found.corrected(float(values[-50]))
    assert counted.value == 51 / 501
    assert not counted.extrapolated
    assert counted.low < 0.1 < counted.high
    far = found.corrected(5.0)
    assert far.extrapolated
    right = stats.norm.sf((5.0 - 0.5) / 0.8)
    assert far.low < right < far.high
    assert far.value < far.resolution == 1 / 501


def test_the_tail_covers() -> None:
    """Its interval holds the true tail as often as one standard deviation should."""
    inside = 0
    for seed in range(400):
        far = null(200, 1_000 + seed, 0.6, 0.8).corrected(4.5)
        inside += far.low <= stats.norm.sf((4.5 - 0.6) / 0.8) <= far.high
    assert inside / 400 == pytest.approx(0.68, abs=0.08)


def test_a_deficit_has_a_negative_significance() -> None:
    assert null(200, 5).corrected(-2.0).significance < -1
    # Beyond all of them it is finite, and the mirror of an excess.
    found = null(200, 5, 0.6, 0.8)
    mirrored = NullDistribution(tuple(-z for z in found.significances))
    assert found.corrected(-9.0).significance == pytest.approx(-mirrored.corrected(9.0).significance)
    assert -13 < found.corrected(-9.0).significance < -10


def test_corrected_significances_of_the_same_distribution_are_standard_normal() -> None:
    """Signed, whatever the distribution; up to the steps of so many experiments."""
    rng = np.random.default_rng(8)
    by = NullDistribution(tuple(rng.gamma(4.0, 0.5, 4_000)))
    of = [by.corrected(float(z)).significance for z in rng.gamma(4.0, 0.5, 2_000)]
    assert np.mean(of) == pytest.approx(0, abs=0.08)
    assert np.std(of) == pytest.approx(1, abs=0.06)


def test_one_half_corrects_the_other() -> None:
    by, of = halves(null(600, 6, 0.64, 0.76).significances)
    assert of.ks_p_value < 1e-6
    after = corrected_significances(by, of)
    assert after.ks_p_value > 0.01
    assert abs(after.mean[0]) < 3 * 2**0.5 * after.mean[1]
    assert abs(after.width[0] - 1) < 3 * 2**0.5 * after.width[1]


@pytest.mark.parametrize("values", [(), (0.0,) * 19, (np.nan,) * 30])
def test_too_few_or_none_at_all(values: tuple[float, ...]) -> None:
    with pytest.raises(CalibrationError, match="at least 20 are needed"):
        NullDistribution(values)
