"""What validation regions say of a prediction: toys whose scatter and mean are known."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import CountingError
from analysis.statistics.closure_scatter import (
    POOLED,
    SIGNIFICANT,
    ClosureScatter,
    closure_scatter,
    pooled_closure_scatter,
)

COMMON = 0.3 * 0.03**2


def toys(regions: int, mean: float, scatter: float, number: int = 500) -> list[tuple[ClosureScatter, float]]:
    """What is found in regions with errors of 3 to 6 %, a tenth of it in common, and the true difference elsewhere."""
    rng = np.random.default_rng([regions, round(1000 * mean), round(1000 * scatter)])
    out = []
    for _ in range(number):
        cov = np.diag(rng.uniform(0.03, 0.06, regions) ** 2 - COMMON) + COMMON
        noise = rng.multivariate_normal(np.zeros(regions), cov)
        delta = mean + scatter * rng.normal(size=regions) + noise
        out.append((closure_scatter(delta, cov), mean + scatter * rng.normal()))
    return out


@pytest.mark.parametrize("regions", [4, 8])
@pytest.mark.parametrize(("mean", "scatter"), [(0, 0), (0, 0.03), (0, 0.1), (0.08, 0), (0.08, 0.03), (0.08, 0.1)])
def test_true_difference_elsewhere_is_covered(regions: int, mean: float, scatter: float) -> None:
    inside = [abs(true - found.shift) < found.systematic for found, true in toys(regions, mean, scatter)]
    # 68 % less two binomial errors of 500 toys.
    assert np.mean(inside) > 0.64


@pytest.mark.parametrize("scatter", [0.0, 0.03, 0.1])
def test_scatter_is_unbiased_and_its_error_right(scatter: float) -> None:
    found = [each for each, _ in toys(20, 0.0, scatter) if each.shift == 0]
    values = np.array([each.scatter_squared for each in found])
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - scatter**2) < 4 * error + 0.06 * scatter**2
    assert np.mean([each.scatter_squared_error for each in found]) == pytest.approx(values.std(), rel=0.4)


def test_errors_in_common_are_no_scatter() -> None:
    rng = np.random.default_rng(3)
    cov = np.full((6, 6), 0.05**2) + np.diag(np.full(6, 0.01**2))
    found = [closure_scatter(rng.multivariate_normal(np.zeros(6), cov), cov) for _ in range(400)]
    # Taken for independent, the same differences would have a mean of many errors.
    assert np.mean([each.shift != 0 for each in found]) < 2 * 0.0455
    assert np.mean([each.mean_error for each in found]) == pytest.approx(0.05, rel=0.05)


def test_a_mean_is_corrected_and_none_where_there_is_none() -> None:
    biased = [found for found, _ in toys(8, 0.08, 0.0)]
    assert np.mean([each.shift for each in biased]) == pytest.approx(0.08, abs=0.005)
    spread = np.std([each.mean for each in biased])
    assert spread == pytest.approx(float(np.mean([each.mean_error for each in biased])), rel=0.25)
    right = [found for found, _ in toys(8, 0.0, 0.0)]
    # Two errors: 4.6 % of the toys.
    assert SIGNIFICANT == 2
    assert np.mean([each.shift != 0 for each in right]) < 0.08


def test_opposite_signs_do_not_cancel() -> None:
    cov = np.diag([0.05**2, 0.05**2])
    alike, opposite = (closure_scatter([0.345, sign * 0.345], cov) for sign in (1, -1))
    assert opposite.systematic > 0.3
    assert opposite.shift == 0
    assert alike.shift == pytest.approx(0.345)


def test_what_can_not_be_resolved_is_no_smaller_than_what_statistics_allow() -> None:
    sharp, blunt = (closure_scatter(np.zeros(8), np.eye(8) * error**2) for error in (0.01, 0.05))
    # √(√(2/8) σ²): the error of a mean of eight squares.
    assert blunt.resolution == pytest.approx(0.05 * (2 / 8) ** 0.25)
    assert blunt.systematic == pytest.approx(5 * sharp.systematic)
    assert 0.2 * blunt.resolution < blunt.systematic < blunt.resolution


def test_systematic_moves_no_further_than_its_differences() -> None:
    rng = np.random.default_rng(5)
    delta = rng.normal(0, 0.05, 8)
    cov = np.eye(8) * 0.05**2
    steps = [closure_scatter(delta + shift, cov).systematic for shift in np.linspace(-0.02, 0.02, 200)]
    assert np.abs(np.diff(steps)).max() < 0.002


def test_one_region_is_its_own_square() -> None:
    assert closure_scatter([0.5], [[0.01**2]]).systematic > 0.5
    assert closure_scatter([0.0], [[0.01**2]]).shift == 0


@pytest.mark.parametrize(
    ("delta", "cov"),
    [
        ([], np.empty((0, 0))),
        ([0.1, 0.2], [[1.0]]),
        ([0.1, np.nan], np.eye(2)),
        ([0.1, 0.2], [[1.0, 2.0], [2.0, 1.0]]),
        ([0.1, 0.2], [[1.0, 0.0], [0.0, 0.0]]),
        ([0.1, 0.2], [[1.0, 0.5], [0.0, 1.0]]),
    ],
)
def test_what_is_no_covariance_is_refused(delta: object, cov: object) -> None:
    with pytest.raises(CountingError):
        closure_scatter(delta, cov)  # type: ignore[arg-type]


def two_cuts(
    rng: np.random.Generator, means: tuple[float, float], scatter: float
) -> tuple[list[np.ndarray], np.ndarray]:
    """Six regions at a loose cut with errors of 5 %, four at a tight one with 20 %."""
    errors = np.array([0.05] * 6 + [0.2] * 4)
    delta = np.repeat(means, [6, 4]) + scatter * rng.normal(size=10) + errors * rng.normal(size=10)
    return [delta[:6], delta[6:]], np.diag(errors**2)


class TestPooled:
    @pytest.mark.parametrize(("mean", "scatter"), [(0.0, 0.0), (0.0, 0.08), (0.1, 0.0), (0.1, 0.08)])
    def test_cuts_that_agree_share_what_covers_the_truth_elsewhere(self, mean: float, scatter: float) -> None:
        rng = np.random.default_rng([1, round(100 * mean), round(100 * scatter)])
        found = [pooled_closure_scatter(*two_cuts(rng, (mean, mean), scatter)) for _ in range(400)]
        pooled = [p > POOLED for _, p in found]
        # The approximate test is too strict or too lax by no more than this.
        assert 0.88 < np.mean(pooled) <= 1
        for cut in range(2):
            true = mean + scatter * rng.normal(size=len(found))
            inside = [abs(t - each[cut].shift) < each[cut].systematic for t, (each, _) in zip(true, found, strict=True)]
            assert np.mean(inside) > 0.62

    def test_a_tight_cut_gains(self) -> None:
        rng = np.random.default_rng(2)
        samples = [two_cuts(rng, (0.0, 0.0), 0.0) for _ in range(100)]
        alone = [closure_scatter(parts[1], cov[6:, 6:]).systematic for parts, cov in samples]
        shared = [pooled_closure_scatter(parts, cov)[0][1].systematic for parts, cov in samples]
        assert np.median(shared) < 0.5 * np.median(alone)

    def test_cuts_that_differ_keep_their_own(self) -> None:
        rng = np.random.default_rng(3)
        for _ in range(20):
            parts, cov = two_cuts(rng, (0.0, 0.8), 0.0)
            found, p_value = pooled_closure_scatter(parts, cov)
            assert p_value < POOLED
            assert found == (closure_scatter(parts[0], cov[:6, :6]), closure_scatter(parts[1], cov[6:, 6:]))

    def test_one_cut_is_itself(self) -> None:
        assert pooled_closure_scatter([[0.1, -0.1]], np.eye(2) * 0.01) == (
            (closure_scatter([0.1, -0.1], np.eye(2) * 0.01),),
            1.0,
        )
