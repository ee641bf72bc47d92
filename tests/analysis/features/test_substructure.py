"""Jets from their constituents: momenta, clouds, N-subjettiness, and the observables of a search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.errors import ConstituentError
from analysis.features import dijets
from analysis.features.constituents import from_clouds, jet_momenta, multiplicity, relative_mass, to_clouds, wrap
from analysis.features.subjets import n_subjettiness, subjets
from analysis.features.substructure import DIJET_SUBSTRUCTURE, dijet_mass, dijet_substructure

Array = NDArray[np.floating[Any]]


def jets(n: int, *, prongs: int, seed: int, particles: int = 20, distance: float = 0.8) -> Array:
    """Jets (n, particles, 3) whose particles lie close to so many axes of about equal momentum."""
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, 2 * np.pi, size=(n, 1)) + 2 * np.pi * (np.arange(particles) % prongs) / prongs
    axes = distance / 2 * np.stack([np.cos(turn), np.sin(turn)], axis=-1) * (prongs > 1)
    angles = axes + rng.normal(0, 0.05, size=axes.shape) + rng.uniform(-1, 1, size=(n, 1, 2))
    pt = rng.exponential(30, size=(n, particles, 1)) + 1
    return np.concatenate([pt, angles], axis=2)


@pytest.fixture
def pairs() -> Array:
    x = np.stack([jets(40, prongs=2, seed=1), jets(40, prongs=1, seed=2)], axis=1)
    x[:, 1, :, 2] = wrap(x[:, 1, :, 2] + np.pi)
    return x[np.arange(40)[:, None], np.random.default_rng(3).permuted(np.tile([0, 1], (40, 1)), axis=1)]


class TestMomenta:
    def test_mass_of_two_massless_particles(self) -> None:
        x = np.array([[[30.0, 0.4, 1.0], [20.0, -0.2, 1.7]]])
        expected = np.sqrt(2 * 30 * 20 * (np.cosh(0.6) - np.cos(0.7)))
        assert jet_momenta(x).mass == pytest.approx(expected, rel=1e-12)

    def test_one_particle_is_its_jet(self) -> None:
        found = jet_momenta(np.array([[[30.0, 1.4, -3.0], [0.0, 0.0, 0.0]]]))
        assert [found.pt[0], found.eta[0], found.rapidity[0], found.phi[0]] == pytest.approx([30, 1.4, 1.4, -3.0])
        assert found.mass[0] < 1e-5

    def test_boost_along_the_beam_shifts_rapidity_alone(self) -> None:
        x = jets(20, prongs=2, seed=4)
        here, there = jet_momenta(x), jet_momenta(x + np.array([0, 0.7, 0]))
        np.testing.assert_allclose(there.rapidity, here.rapidity + 0.7, rtol=1e-10)
        np.testing.assert_allclose(there.mass, here.mass, rtol=1e-8)
        assert not np.allclose(there.eta, here.eta + 0.7, atol=1e-4)

    def test_energy_momentum_relation(self) -> None:
        jet = jet_momenta(jets(20, prongs=2, seed=5))
        transverse = np.hypot(jet.pt, jet.mass)
        np.testing.assert_allclose(jet.energy, transverse * np.cosh(jet.rapidity), rtol=1e-12)
        np.testing.assert_allclose(jet.pt * np.sinh(jet.eta), transverse * np.sinh(jet.rapidity), rtol=1e-10)

    def test_empty_jet_is_zero_and_nan_stays_in_its_jet(self) -> None:
        x = jets(3, prongs=1, seed=6)
        x[0] = 0
        x[1, 3, 1] = np.nan
        jet = jet_momenta(x)
        assert [jet.pt[0], jet.mass[0], jet.eta[0]] == [0, 0, 0]
        assert np.isnan([jet.mass[1], jet.eta[1]]).all()
        assert np.isfinite([jet.pt[2], jet.mass[2]]).all()

    def test_wrap_keeps_precision_and_range(self) -> None:
        phi = np.linspace(-20, 20, 4001)
        np.testing.assert_allclose(np.exp(1j * wrap(phi)), np.exp(1j * phi), atol=1e-12)
        assert wrap(phi).min() >= -np.pi
        assert wrap(phi).max() < np.pi
        inside = np.float32([-3.1, 0.1, 3.1])
        assert wrap(inside).dtype == np.float32
        assert (wrap(inside) == inside).all()

    def test_malformed_constituents_are_refused(self) -> None:
        with pytest.raises(ConstituentError, match=r"\(2, 5, 4\)"):
            jet_momenta(np.zeros((2, 5, 4)))
        with pytest.raises(ConstituentError, match="N, 2, P, 3"):
            dijet_substructure(np.zeros((2, 5, 3)))


class TestClouds:
    def test_there_and_back(self) -> None:
        x = jets(30, prongs=2, seed=7)
        x[..., 2] = wrap(x[..., 2] + 3.0)
        x[:, 15:] = 0
        jet = jet_momenta(x)
        axis = {"pt": jet.pt, "eta": jet.rapidity, "phi": jet.phi}
        clouds = to_clouds(x, **axis)
        assert np.abs(clouds[..., 1]).max() < 2
        assert (clouds[:, 15:] == 0).all()
        np.testing.assert_allclose(from_clouds(clouds, **axis), x, atol=1e-12)

    def test_cloud_has_the_mass_over_pt(self) -> None:
        x = jets(30, prongs=2, seed=8)
        jet = jet_momenta(x)
        clouds = to_clouds(x, pt=jet.pt, eta=jet.rapidity, phi=jet.phi)
        np.testing.assert_allclose(relative_mass(clouds), jet.mass / jet.pt, rtol=1e-9)


class TestSubjettiness:
    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_n_particles_have_no_tau_n(self, n: int) -> None:
        tau = n_subjettiness(jets(20, prongs=1, particles=n, seed=9))
        assert (tau[:, n - 1 :] == 0).all()
        assert (tau[:, : n - 1] > 0).all()

    def test_two_particles_have_the_pt_of_the_softer_times_distance(self) -> None:
        x = np.array([[[50.0, 0.3, 3.0], [20.0, -0.1, -3.0]]])
        distance = np.hypot(0.4, 2 * np.pi - 6)
        found = subjets(x)
        assert found.tau[0, 0] == pytest.approx(20 * distance / 70, rel=1e-3)
        assert found.splitting[0] == pytest.approx(20 * distance, rel=1e-12)
        assert n_subjettiness(x, radius=0.5)[0, 0] == pytest.approx(2 * found.tau[0, 0])

    def test_prongs_show(self) -> None:
        one, two, three = (n_subjettiness(jets(100, prongs=p, seed=10 + p, particles=30)) for p in (1, 2, 3))
        assert np.median(two[:, 1] / two[:, 0]) < 0.3 < 0.5 < np.median(one[:, 1] / one[:, 0])
        assert np.median(three[:, 2] / three[:, 1]) < 0.4 < 0.6 < np.median(two[:, 2] / two[:, 1])

    def test_tau_falls_with_the_number_of_axes(self) -> None:
        tau = n_subjettiness(jets(200, prongs=2, seed=14))
        assert (np.diff(tau, axis=1) < 0).all()

    def test_order_padding_and_direction_do_not_matter(self) -> None:
        x = jets(50, prongs=2, seed=15)
        reference = subjets(x)
        order = np.random.default_rng(16).permutation(x.shape[1])
        padded = np.concatenate([np.full((50, 2, 3), [0.0, 0.5, 0.5]), x[:, order]], axis=1)
        turned = x + np.array([0, 0.4, 2.9])
        turned[..., 2] = wrap(turned[..., 2])
        for other in (padded, turned):
            np.testing.assert_allclose(subjets(other).tau, reference.tau, rtol=1e-3)
            np.testing.assert_allclose(subjets(other).splitting, reference.splitting, rtol=1e-9)

    def test_is_that_of_fastjet(self) -> None:
        pytest.importorskip("fastjet")
        import awkward as ak

        from analysis.simulation import jets as simulation

        x = np.concatenate([jets(100, prongs=p, seed=20 + p, particles=40) for p in (1, 2, 3)])
        x[..., 2] = wrap(x[..., 2] + np.pi)
        fields = ak.zip(dict(zip(("pt", "eta", "phi"), np.moveaxis(x, -1, 0), strict=True)))
        particles = ak.unflatten(ak.flatten(fields), np.full(len(x), x.shape[1]))
        one_per_event = np.ones(len(x), dtype=int)
        masses = ak.unflatten(ak.zip({"mass": jet_momenta(x).mass}), one_per_event)
        reference = simulation.substructure(masses, ak.unflatten(particles, one_per_event))
        expected = np.stack([ak.to_numpy(reference[f"tau{k}"])[:, 0] for k in (1, 2, 3)], axis=1)
        difference = np.abs(n_subjettiness(x) / expected - 1)
        assert np.median(difference) < 1e-4
        assert np.quantile(difference, 0.97) < 1e-2

    def test_not_finite_jets_are_nan_and_harm_no_other(self) -> None:
        x = jets(4, prongs=1, seed=30)
        good = n_subjettiness(x)
        x[1, 4, 0], x[2, 0, 2] = np.nan, np.inf
        found = n_subjettiness(x)
        assert np.isnan(found[1:3]).all()
        assert (found[[0, 3]] == good[[0, 3]]).all()


class TestDijets:
    def test_columns_are_those_of_the_search_on_jets(self, pairs: Array) -> None:
        found = dict(zip(DIJET_SUBSTRUCTURE, dijet_substructure(pairs).T, strict=True))
        momenta, tau = jet_momenta(pairs), n_subjettiness(pairs)
        first, second = ({"mass": momenta.mass[:, i]} | {f"tau{k + 1}": tau[:, i, k] for k in range(3)} for i in (0, 1))
        for name in ("mj_light", "delta_mj", "tau21_light", "tau21_heavy", "tau32_light", "tau32_heavy"):
            expected = dijets.DIJET_FUNCTIONS[name].compute(first, second)
            np.testing.assert_allclose(found[name], expected, rtol=1e-5, err_msg=name)

    def test_light_and_heavy_do_not_depend_on_the_order_of_the_jets(self, pairs: Array) -> None:
        np.testing.assert_array_equal(dijet_substructure(pairs), dijet_substructure(pairs[:, ::-1]))

    def test_heavy_jets_of_two_prongs_split_late(self, pairs: Array) -> None:
        found = dict(zip(DIJET_SUBSTRUCTURE, dijet_substructure(pairs).T, strict=True))
        assert np.median(found["splitting_heavy"]) > 5 * np.median(found["splitting_light"])
        assert np.median(found["tau21_heavy"]) < np.median(found["tau21_light"])

    def test_multiplicities_follow_the_jets(self, pairs: Array) -> None:
        heavy = jet_momenta(pairs).mass.argmax(axis=1)
        pairs[np.arange(40), heavy, 15:] = 0
        found = dict(zip(DIJET_SUBSTRUCTURE, dijet_substructure(pairs).T, strict=True))
        assert np.mean((found["n_heavy"] == 15) & (found["n_light"] == 20)) > 0.9
        assert (multiplicity(pairs).sum(axis=1) == 35).all()

    def test_mass_is_that_of_the_sum_of_the_jets(self, pairs: Array) -> None:
        jet = jet_momenta(pairs)
        first, second = (
            {"pt": jet.pt[:, i], "eta": jet.eta[:, i], "phi": jet.phi[:, i], "mass": jet.mass[:, i]} for i in (0, 1)
        )
        np.testing.assert_allclose(dijet_mass(pairs), dijets.mjj(first, second), rtol=1e-9)

    def test_empty_jets_are_finite(self) -> None:
        assert np.isfinite(dijet_substructure(np.zeros((3, 2, 4, 3), dtype=np.float32))).all()
