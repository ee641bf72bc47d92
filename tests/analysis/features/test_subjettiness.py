"""τ_N about exclusive kT axes: the sums written out, the axes of FastJet, and what any definition must satisfy."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.features.subjettiness import BETAS, LARGEST, subjettiness


def jets(n: int, seed: int, prongs: int = 3, particles: int = 30) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-0.5, 0.5, (n, prongs, 2))
    of = rng.integers(prongs, size=(n, particles))
    at = np.take_along_axis(centre, of[..., None], axis=1) + 0.05 * rng.standard_normal((n, particles, 2))
    # Across the seam of φ.
    at[..., 1] += 3.1
    return np.concatenate([rng.exponential(40, (n, particles, 1)) + 1, at], axis=-1)


def test_falls_with_the_number_of_axes_and_vanishes_for_few_constituents() -> None:
    tau = subjettiness(jets(200, seed=1))
    assert tau.shape == (200, len(BETAS), LARGEST)
    assert np.all(np.diff(tau.mean(axis=0), axis=1) < 0)
    few = subjettiness(jets(20, seed=2, particles=4))
    assert np.all(few[..., 3:] == 0)
    assert np.all(few[..., :3] > 0)


def test_is_the_same_for_a_turned_jet_and_for_any_unit() -> None:
    x = jets(50, seed=3)
    turned = x.copy()
    turned[..., 2] += 1.7
    turned[..., 0] *= 1000
    assert np.allclose(subjettiness(x), subjettiness(turned), rtol=1e-6)


def test_three_prongs_need_three_axes() -> None:
    for prongs in (1, 2, 3):
        tau = subjettiness(jets(200, seed=4 + prongs, prongs=prongs))[:, 1].mean(axis=0)
        drops = tau[:-1] / tau[1:]
        # As many axes as prongs help a lot, the next hardly.
        assert np.all(drops[: prongs - 1] > 1.8)
        assert drops[prongs - 1] < 1.4


def test_sums_are_those_about_the_axes_of_fastjet() -> None:
    """Axes from FastJet's exclusive kT jets, the sums written out for every β and N."""
    fastjet = pytest.importorskip("fastjet")
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 1.5)
    x = jets(10, seed=8)
    found = subjettiness(x)
    for event, tau in zip(x, found, strict=True):
        pt, rap, phi = event.T
        momenta = [
            fastjet.PseudoJet(p * np.cos(f), p * np.sin(f), p * np.sinh(y), p * np.cosh(y))
            for p, y, f in zip(pt, rap, phi, strict=True)
        ]
        cluster = fastjet.ClusterSequence(momenta, definition)
        for number in (1, 2, 5, 9):
            axes = [(axis.rap(), axis.phi()) for axis in cluster.exclusive_jets(number)]
            turn = [np.abs((phi - f + np.pi) % (2 * np.pi) - np.pi) for _, f in axes]
            distance = np.min([np.hypot(rap - y, t) for (y, _), t in zip(axes, turn, strict=True)], axis=0)
            due = [(pt * distance**beta).sum() / pt.sum() for beta in BETAS]
            assert np.allclose(tau[:, number - 1], due, rtol=1e-5)


def test_a_jet_with_nan_is_nan() -> None:
    x = jets(3, seed=9)
    x[1, 4, 1] = np.nan
    tau = subjettiness(x)
    assert np.isnan(tau[1]).all()
    assert np.isfinite(tau[[0, 2]]).all()
