"""Impact parameters against tracks that are followed step by step, and errors as they are said."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.simulation.impact import LONGITUDINAL, TRANSVERSE, closest_approach
from analysis.simulation.particles import Particles


def displaced(n: int, seed: int) -> Particles:
    """Pions from up to some centimetres away."""
    rng = np.random.default_rng(seed)
    pt, eta, phi = 0.3 + rng.exponential(5, n), rng.uniform(-2, 2, n), rng.uniform(-np.pi, np.pi, n)
    pz = pt * np.sinh(eta)
    x, y, z = rng.normal(0, 0.02, (3, n))
    energy = np.sqrt(pt**2 + pz**2 + 0.0195)
    return Particles(
        np.zeros(n, int), rng.choice([211, -211], n), pt * np.cos(phi), pt * np.sin(phi), pz, energy, x, y, z
    )


def test_closest_approach_is_that_of_the_lorentz_force_followed_in_small_steps() -> None:
    pions, field = displaced(40, 1), 3.8
    d0, z0 = closest_approach(pions, field=field)
    # dφ/ds of the direction: a positive particle turns clockwise around +z. Steps of 0.1 mm both ways, by midpoints.
    turn = -0.299792458 * field * pions.charge / pions.pt
    for i in range(40):
        best = (np.inf, 0.0, 0.0)
        for way in (1, -1):
            s = way * 1e-4 * np.arange(3_000)
            middle = pions.phi[i] + turn[i] * (s[:-1] + 0.5e-4 * way)
            x = pions.x[i] + np.concatenate([[0], np.cumsum(np.cos(middle)) * 1e-4 * way])
            y = pions.y[i] + np.concatenate([[0], np.cumsum(np.sin(middle)) * 1e-4 * way])
            k = int(np.argmin(np.hypot(x, y)))
            direction = pions.phi[i] + turn[i] * s[k]
            signed = x[k] * np.sin(direction) - y[k] * np.cos(direction)
            z = pions.z[i] + s[k] * pions.pz[i] / pions.pt[i]
            best = min(best, (float(np.hypot(x[k], y[k])), float(signed), float(z)))
        assert d0[i] == pytest.approx(1e3 * best[1], abs=2e-3)
        assert z0[i] == pytest.approx(1e3 * best[2], abs=0.1 * np.cosh(pions.eta[i]) + 0.1)


def test_tracks_from_the_collision_pass_through_it() -> None:
    pions = displaced(50, 2)
    zero = np.zeros(50)
    d0, z0 = closest_approach(
        Particles(pions.event, pions.pdg, pions.px, pions.py, pions.pz, pions.energy, zero, zero, zero), field=3.8
    )
    np.testing.assert_allclose(d0, 0, atol=1e-9)
    np.testing.assert_allclose(z0, 0, atol=1e-9)


def test_a_straight_track_has_the_distance_of_its_line() -> None:
    """1 TeV hardly bends: a line at 3 mm along +x passes the beam at y = 3 mm, and d0 is −3 mm by its sign."""
    one, zero = np.ones(1), np.zeros(1)
    track = Particles(
        np.zeros(1, int), np.array([211]), 1e3 * one, zero, 500 * one, 1.2e3 * one, 0.01 * one, 0.003 * one, zero
    )
    d0, z0 = closest_approach(track, field=3.8)
    assert d0[0] == pytest.approx(-3, abs=1e-3)
    assert z0[0] == pytest.approx(-5, abs=1e-3)


@pytest.mark.parametrize("resolution", [TRANSVERSE, LONGITUDINAL])
def test_errors_fall_with_momentum_and_rise_towards_the_beam(resolution: object) -> None:
    rng = np.random.default_rng(3)
    assert isinstance(resolution, type(TRANSVERSE))

    def median(pt: float, eta: float) -> float:
        return float(np.median(resolution.errors(np.full(4_000, pt), np.full(4_000, eta), rng)))

    assert median(1, 0) == pytest.approx(np.hypot(resolution.constant, resolution.scattering), rel=0.01)
    assert median(100, 0) == pytest.approx(resolution.constant, rel=0.02)
    assert median(1, 0) > median(5, 0) > median(100, 0)
    assert median(1, 2) > 1.5 * median(1, 0)
