"""Shapes of a resonance against numerical integrals, and recovered from draws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import integrate

from analysis.errors import SpectrumError
from analysis.inference.signal_shapes import DoubleCrystalBall, Gaussian, InterpolatedShape, in_bins

SHAPE = DoubleCrystalBall(3500, 120, 1.1, 2.5, 1.7, 6.0)


def density(m: float) -> float:
    """By the definition, not normalised."""
    t = (m - 3500) / 120
    if t < -1.1:
        return float((2.5 / 1.1) ** 2.5 * np.exp(-0.5 * 1.1**2) * (2.5 / 1.1 - 1.1 - t) ** -2.5)
    if t > 1.7:
        return float((6 / 1.7) ** 6 * np.exp(-0.5 * 1.7**2) * (6 / 1.7 - 1.7 + t) ** -6)
    return float(np.exp(-0.5 * t**2))


def test_the_shares_are_integrals_of_the_density() -> None:
    edges = np.array([1000.0, 3000, 3300, 3450, 3600, 3800, 5000])
    pieces = [integrate.quad(density, a, b, limit=200)[0] for a, b in itertools.pairwise(edges)]
    total = (
        integrate.quad(density, -np.inf, 3368)[0]
        + integrate.quad(density, 3368, 3704)[0]
        + integrate.quad(density, 3704, np.inf)[0]
    )
    np.testing.assert_allclose(in_bins(SHAPE, edges), np.array(pieces) / total, rtol=1e-5)
    assert SHAPE.cdf([-1e9, 1e9]).tolist() == pytest.approx([0.0, 1.0], abs=1e-6)
    assert (np.diff(SHAPE.cdf(np.linspace(0, 7000, 5001))) >= 0).all()


def test_far_tails_make_it_a_gaussian() -> None:
    edges = np.linspace(3000, 4000, 11)
    np.testing.assert_allclose(
        in_bins(DoubleCrystalBall(3500, 100, 6, 50, 6, 50), edges), in_bins(Gaussian(3500, 100), edges), atol=1e-8
    )


def test_a_shape_is_recovered_from_what_was_drawn_of_it() -> None:
    rng = np.random.default_rng(1)
    grid = np.linspace(500, 9000, 400_001)
    drawn = np.interp(rng.random(4_000), SHAPE.cdf(grid), grid)
    found = DoubleCrystalBall.fitted(drawn)
    edges = np.array([2000.0, 3200, 3400, 3500, 3600, 3800, 5000])
    np.testing.assert_allclose(in_bins(found, edges), in_bins(SHAPE, edges), atol=0.02)
    assert found.mean == pytest.approx(3500, abs=15)


def test_between_simulated_masses_it_moves_smoothly_and_beyond_them_it_is_refused() -> None:
    shapes = {m: DoubleCrystalBall(0.99 * m, 0.03 * m, 1.5, 3, 1.8, 5) for m in (2000.0, 3000.0, 5000.0)}
    between = InterpolatedShape.through(shapes)
    assert between.at(3000.0) == shapes[3000.0]
    assert between.at(2500.0).mean == pytest.approx(0.99 * 2500, rel=1e-3)
    assert between.at(2500.0).width == pytest.approx(0.03 * 2500, rel=1e-3)
    with pytest.raises(SpectrumError, match="outside of the simulated"):
        between.at(5100.0)
    with pytest.raises(SpectrumError, match="at least 2"):
        InterpolatedShape.through({2000.0: shapes[2000.0]})


@pytest.mark.parametrize("wrong", [{"width": 0.0}, {"low_power": 1.0}, {"high_start": -1.0}, {"mean": np.inf}])
def test_parameters_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(SpectrumError):
        DoubleCrystalBall(**{"mean": 3500.0, "width": 100.0, **wrong})
    with pytest.raises(SpectrumError):
        DoubleCrystalBall.fitted(np.ones(10))
