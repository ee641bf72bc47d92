"""Amplification: exact for true events, within known bands for a fit and a density estimate on 100 points."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import gaussian_kde, norm

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics.amplification import (
    QuantileCells,
    amplification,
    divergence_amplification,
    ensemble_size,
    expected_divergence,
    expected_quantile_mse,
    jensen_shannon,
    quantile_mse,
)

Array = NDArray[np.float64]

#: A camel back, ½ N(−4, 1) + ½ N(4, 1), learned from so many points, so often.
POINTS, DRAWS = 100, 250
#: What is known of 400 draws: bands of the amplification by the fit with two Gaussians and by a density estimate.
TABLE = {10: ((2.0, 2.9), (1.3, 2.0)), 20: ((3.6, 5.2), (1.9, 2.9)), 50: ((8.7, 12.8), (3.7, 5.7))}


def camel_cdf(x: Array) -> Array:
    out: Array = 0.5 * (norm.cdf(x, -4) + norm.cdf(x, 4))
    return out


def camel_quantiles(cells: int) -> Array:
    x = np.linspace(-10, 10, 200_001)
    out: Array = np.interp(np.arange(1, cells) / cells, camel_cdf(x), x)
    return out


def camel(n: int, rng: np.random.Generator) -> Array:
    out: Array = np.where(rng.random(n) < 0.5, -4.0, 4.0) + rng.standard_normal(n)
    return out


def fitted_cdf(sample: Array, at: Array) -> Array:
    """Distribution function of two Gaussians with their fraction, by maximum likelihood."""

    def densities(p: Array) -> tuple[Array, Array, float]:
        fraction, widths = float(expit(p[0])), np.exp(p[3:])
        pulls = (sample - p[1:3, None]) / widths[:, None]
        each = np.array([fraction, 1 - fraction])[:, None] * np.exp(-0.5 * pulls**2) / widths[:, None]
        return each, pulls, fraction

    def loss(p: Array) -> tuple[float, Array]:
        each, pulls, fraction = densities(p)
        total = each.sum(axis=0)
        member = each / total
        widths = np.exp(p[3:])
        slope = np.concatenate(
            [
                [(member[0] - fraction).sum()],
                (member * pulls).sum(axis=1) / widths,
                (member * (pulls**2 - 1)).sum(axis=1),
            ]
        )
        return -float(np.log(total).sum()), -slope

    p = minimize(loss, [logit(0.5), -4, 4, 0, 0], jac=True, method="BFGS").x
    fraction = expit(p[0])
    out: Array = fraction * norm.cdf(at, p[1], np.exp(p[3])) + (1 - fraction) * norm.cdf(at, p[2], np.exp(p[4]))
    return out


def estimated_cdf(sample: Array, at: Array) -> Array:
    width = float(np.sqrt(gaussian_kde(sample, bw_method=0.15).covariance[0, 0]))
    out: Array = norm.cdf((at[:, None] - sample) / width).mean(axis=1)
    return out


def sampled_cdf(sample: Array, at: Array) -> Array:
    out: Array = np.searchsorted(np.sort(sample), at) / len(sample)
    return out


@pytest.fixture(scope="module")
def samples() -> list[Array]:
    rng = np.random.default_rng(7)
    return [camel(POINTS, rng) for _ in range(DRAWS)]


@pytest.fixture(scope="module")
def curves(samples: list[Array]) -> dict[str, Array]:
    """Distribution functions of every training at the hundred quantiles of the truth, (DRAWS, 99)."""
    at = camel_quantiles(100)
    every = {"fit": fitted_cdf, "kde": estimated_cdf, "sample": sampled_cdf}
    return {name: np.stack([of(sample, at) for sample in samples]) for name, of in every.items()}


def shares(curve: Array, cells: int) -> Array:
    """Shares in Q quantiles, exactly, from a distribution function at the hundred quantiles."""
    inner = curve[:, 100 // cells - 1 :: 100 // cells]
    return np.diff(inner, axis=1, prepend=0, append=1)


@pytest.mark.parametrize("cells", TABLE)
def test_the_table_of_the_camel_back(cells: int, curves: dict[str, Array]) -> None:
    fit, kde = (amplification(shares(curves[name], cells), POINTS).factor for name in ("fit", "kde"))
    assert TABLE[cells][0][0] < fit < TABLE[cells][0][1]
    assert TABLE[cells][1][0] < kde < TABLE[cells][1][1]


@pytest.mark.parametrize("cells", TABLE)
def test_true_events_are_worth_themselves(cells: int, curves: dict[str, Array]) -> None:
    found = amplification(shares(curves["sample"], cells), POINTS)
    assert found.factor == pytest.approx(1, rel=0.08)
    assert abs(found.factor - 1) < 4 * found.factor_error
    # The identity itself, in numbers.
    assert expected_quantile_mse(100, cells) == pytest.approx({10: 9.00e-4, 20: 4.75e-4, 50: 1.96e-4}[cells])


def test_the_chance_of_draws_and_of_the_reference_is_taken_off() -> None:
    """Trainings on 50 events, of each of which only 200 draws are seen, in cells made from 400 true events."""
    rng, found = np.random.default_rng(3), []
    for _ in range(1500):
        reference, learned = rng.random((2, 400))[0], rng.random(50)
        # This generator draws from what it learned.
        drawn = rng.choice(learned, 200)
        found.append(QuantileCells.of(reference, (10,)).shares(drawn))
    corrected = amplification(np.stack(found), 50, drawn=200, reference=400)
    # Copies of 50 events fluctuate with (1 − 1/50) of the variance of 200.
    assert corrected.factor == pytest.approx(1, abs=0.06)
    assert amplification(np.stack(found), 50).factor < 0.8


def test_divergence_of_true_events() -> None:
    rng = np.random.default_rng(5)
    for cells, n in ((10, 1_000), (50, 10_000)):
        drawn = rng.multinomial(n, np.full(cells, 1 / cells), size=2_000) / n
        assert jensen_shannon(drawn).mean() == pytest.approx(expected_divergence(n, cells), rel=0.05)
        assert divergence_amplification(drawn, n).factor == pytest.approx(1, rel=0.05)
        assert quantile_mse(drawn).mean() == pytest.approx(expected_quantile_mse(n, cells), rel=0.04)


def test_divergence_of_disjoint_shares_is_nearly_one_bit() -> None:
    assert jensen_shannon(np.eye(1, 10_000)[0]) == pytest.approx(1, abs=2e-3)
    assert jensen_shannon(np.full(4, 0.25)) == 0


def test_both_forms_agree_on_the_density_estimate() -> None:
    """Far below Q = n the two distances are the same to first order."""
    rng = np.random.default_rng(9)
    off = np.full(20, 0.05) + 1e-3 * rng.standard_normal((40, 20))
    off /= off.sum(axis=1, keepdims=True)
    one, other = amplification(off, 100), divergence_amplification(off, 100)
    assert one.n_equivalent == pytest.approx(other.n_equivalent, rel=0.01)


def test_an_ensemble_knows_its_size_without_truth() -> None:
    rng = np.random.default_rng(11)
    members = rng.multinomial(300, np.full(25, 0.04), size=400) / 300
    assert ensemble_size(members) == pytest.approx(300, rel=0.04)
    drawn = np.stack([rng.multinomial(500, each) for each in members]) / 500
    assert ensemble_size(drawn, drawn=500) == pytest.approx(300, rel=0.06)
    # What all have in common is not seen.
    assert ensemble_size(np.tile([0.9, 0.1], (5, 1))) == np.inf


def test_cells_have_equal_probability_in_two_dimensions() -> None:
    rng = np.random.default_rng(13)
    radius, angle = 4 + rng.standard_normal(60_000), rng.uniform(-np.pi, np.pi, 60_000)
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    cells = QuantileCells.of(ring[:30_000], (5, 6))
    assert cells.cells == 30
    own, others = cells.shares(ring[:30_000]), cells.shares(ring[30_000:])
    assert np.abs(own - 1 / 30).max() < 1e-3
    # Of the other half: chance of both halves.
    assert quantile_mse(others) == pytest.approx(2 * expected_quantile_mse(30_000, 30), rel=0.6)


def test_a_distance_of_chance_is_infinitely_much() -> None:
    found = amplification(np.full((3, 4), 0.25), 10, drawn=1_000)
    assert found.factor == np.inf
    assert np.isnan(found.factor_error)


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda: amplification(np.ones((3, 4)), 10), MetricError, "add up to one"),
        (lambda: amplification(np.full((2, 2), np.nan), 10), MetricError, "finite"),
        (lambda: amplification(np.array([0.5, 0.5]), 10), MetricError, r"\(trainings, cells\)"),
        (lambda: ensemble_size(np.full((1, 4), 0.25)), MetricError, "one generator"),
        (lambda: QuantileCells.of(np.zeros((99, 1)), (10,)), TooFewEventsError, "ten for each"),
        (lambda: QuantileCells.of(np.zeros((99, 2)), (3,)), MetricError, "2 columns"),
        (lambda: QuantileCells.of(np.full((99, 1), np.nan), (3,)), MetricError, "finite"),
        (
            lambda: QuantileCells.of(np.random.default_rng(1).random((99, 1)), (3,)).shares(np.zeros((5, 2))),
            MetricError,
            "cells",
        ),
    ],
)
def test_what_can_not_be_measured_is_refused(ask, error: type[Exception], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words):
        ask()
