"""Metrics of generated jets: exact values, identities, brute force, and floors of truth against truth."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import linalg, optimize, stats

from analysis.errors import MetricError, TooFewEventsError
from analysis.features.constituents import relative_mass
from analysis.features.energy_flow import energy_flow_polynomials
from analysis.metrics.frechet import (
    FrechetSampling,
    Moments,
    frechet_distance,
    frechet_physics_distance,
    kernel_physics_distance,
    moments,
)
from analysis.metrics.jets import JetMetrics, evaluate_jets
from analysis.metrics.movers import coverage_and_mmd, energy_movers_distance, movers_distances
from analysis.metrics.protocols import PROTOCOLS
from analysis.metrics.sampling import Sampling, valid_clouds
from analysis.metrics.wasserstein import (
    inverse_variance_mean,
    mean_of_features,
    w1_jets,
    w1_particles,
    wasserstein,
)

Array = NDArray[np.floating[Any]]

ONCE = Sampling(2_000, 1, replacement=False)


def jets(n: int, *, seed: int, particles: int = 12, width: float = 0.2) -> Array:
    """Clouds (n, particles, 3) of different numbers of constituents, hardest first."""
    rng = np.random.default_rng(seed)
    pt = -np.sort(-(rng.exponential(size=(n, particles)) ** 2), axis=1)
    pt[np.arange(particles) >= rng.integers(particles // 2, particles + 1, size=(n, 1))] = 0
    pt /= pt.sum(axis=1, keepdims=True)
    clouds = np.concatenate([rng.normal(0, width, size=(n, particles, 2)), pt[..., None]], axis=2)
    return np.where(pt[..., None] > 0, clouds, 0)


class TestWasserstein:
    def test_is_that_of_scipy_for_unequal_sizes_and_ties(self) -> None:
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=301).round(1), rng.normal(0.2, 2, size=157).round(1)
        assert wasserstein(x, y) == pytest.approx(stats.wasserstein_distance(x, y), rel=1e-12)
        assert wasserstein(x, x) == 0

    def test_of_shifted_particles_is_the_shift(self) -> None:
        x = jets(2_000, seed=2)
        moved = np.where(x[..., 2:] > 0, x + np.array([0.03, -0.05, 0]), 0)
        found = w1_particles(moved, x, sampling=ONCE, seed=1)
        np.testing.assert_allclose(found, [[0.03, 0.05, 0]], atol=1e-12)

    def test_particles_without_momentum_do_not_count(self) -> None:
        x = jets(2_000, seed=3)
        padded = np.concatenate([x, np.full((2_000, 3, 3), [9.0, 9.0, 0])], axis=1)
        assert w1_particles(padded, x, sampling=ONCE, seed=1) == pytest.approx(0, abs=1e-12)

    def test_of_masses_of_scaled_jets(self) -> None:
        x = jets(2_000, seed=4)
        mass = relative_mass(x)[:, None]
        found = w1_jets(1.1 * mass, mass, sampling=ONCE, seed=1)
        assert found == pytest.approx(0.1 * mass.mean(), rel=1e-9)

    def test_averages(self) -> None:
        values = np.array([[1.0, 8.0], [2.0, 12.0], [3.0, 10.0]])
        assert mean_of_features(values) == pytest.approx([4.5, 7, 6.5])
        # The variance of the second feature is four times that of the first.
        assert inverse_variance_mean(values) == pytest.approx([12 / 5, 20 / 5, 22 / 5])

    def test_empty_sample_has_no_distance(self) -> None:
        with pytest.raises(MetricError, match="0 and 2"):
            wasserstein(np.zeros(0), np.zeros(2))


class TestSampling:
    def test_batches_without_replacement_are_disjoint(self) -> None:
        drawn = np.concatenate(list(Sampling(20, 5, replacement=False).draw(103, np.random.default_rng(1))))
        assert len(np.unique(drawn)) == 100

    def test_batches_with_replacement_repeat(self) -> None:
        drawn = list(Sampling(100, 5).draw(100, np.random.default_rng(1)))
        assert all(60 <= len(np.unique(batch)) <= 67 for batch in drawn)

    def test_seed_decides(self) -> None:
        def drawn(seed: int) -> list[int]:
            return [int(i) for pair in Sampling(4, 3).pairs(50, 60, seed=seed) for part in pair for i in part]

        assert drawn(1) == drawn(1) != drawn(2)

    def test_whole_truth(self) -> None:
        for i, j in Sampling(4, 3, whole_truth=True).pairs(50, 60, seed=1):
            assert (len(i), len(j)) == (4, 60)

    def test_too_few_are_refused_or_made_to_suffice(self) -> None:
        sampling = Sampling(20, 5, replacement=False)
        with pytest.raises(TooFewEventsError, match="99 jets"):
            sampling.draw(99, np.random.default_rng(1))
        assert sampling.at_most(99).jets == 19
        assert Sampling(20, 5).at_most(10).jets == 10


class TestFrechet:
    @pytest.mark.parametrize(("value", "normalise", "frechet", "kernel"), [(2, True, 2, 15), (2, False, 8, 624)])
    def test_constants(self, value: float, normalise: bool, frechet: float, kernel: float) -> None:
        truth, generated = np.full((500, 2), float(value)), np.zeros((500, 2))
        sampling = FrechetSampling(100, 500, batches=2)
        found = frechet_physics_distance(generated, truth, sampling=sampling, normalise=normalise, seed=1)
        assert found.value == pytest.approx(frechet, rel=1e-9)
        batches = Sampling(100, 3)
        found = kernel_physics_distance(generated, truth, sampling=batches, normalise=normalise, seed=1)
        assert found.value == pytest.approx(kernel, rel=1e-9)

    def test_zeros_against_zeros(self) -> None:
        zeros, sampling = np.zeros((200, 2)), FrechetSampling(50, 200, batches=2)
        assert frechet_physics_distance(zeros, zeros, sampling=sampling, seed=1).value == 0
        assert kernel_physics_distance(zeros, zeros, sampling=Sampling(50, 3), seed=1).value == 0

    def test_of_gaussians_agrees_with_the_square_root_of_the_product(self) -> None:
        rng = np.random.default_rng(5)
        (a, b), shift = rng.normal(size=(2, 6, 6)), rng.normal(size=6)
        first, second = Moments(np.zeros(6), a @ a.T), Moments(shift, b @ b.T)
        root = linalg.sqrtm(first.covariance @ second.covariance).real
        expected = shift @ shift + np.trace(first.covariance + second.covariance - 2 * root)
        assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-8)

    def test_singular_covariances(self) -> None:
        x = np.random.default_rng(6).normal(size=(100, 1)) * np.array([1.0, 2.0, 0.0])
        assert frechet_distance(moments(x), moments(x)) == pytest.approx(0, abs=1e-7)
        x -= x.mean(axis=0)
        assert frechet_distance(moments(x), moments(2 * x)) == pytest.approx(np.trace(np.cov(x.T)), rel=1e-6)

    def test_moments(self) -> None:
        x = np.random.default_rng(7).normal(size=(50, 3)).astype(np.float32)
        found = moments(x)
        np.testing.assert_allclose(found.covariance, np.cov(x.T.astype(float)), rtol=1e-10)
        with pytest.raises(TooFewEventsError):
            moments(x[:1])

    def test_extrapolation_removes_the_bias_of_small_batches(self) -> None:
        x, y = np.random.default_rng(8).normal(size=(2, 20_000, 4))
        sampling = FrechetSampling(200, 1_000, batches=20)
        small = np.mean(
            [frechet_distance(moments(x[k : k + 400]), moments(y[k : k + 400])) for k in range(0, 8000, 400)]
        )
        found = frechet_physics_distance(x, y, sampling=sampling, normalise=False, seed=1)
        assert found.value < small / 5
        shifted = frechet_physics_distance(x + 0.5, y, sampling=sampling, normalise=False, seed=1)
        assert shifted.value == pytest.approx(1, abs=5 * shifted.error + 0.03)

    def test_kernel_distance_is_that_of_all_pairs_of_different_rows(self) -> None:
        rng = np.random.default_rng(9)
        x, y = rng.normal(size=(40, 3)), rng.normal(0.5, 1, size=(40, 3))
        total = Sampling(40, 1, replacement=False)

        def mean(a: Array, b: Array, *, different: bool) -> float:
            return float(
                np.mean(
                    [(p @ q / 3 + 1) ** 4 for i, p in enumerate(a) for j, q in enumerate(b) if i != j or not different]
                )
            )

        expected = mean(x, x, different=True) + mean(y, y, different=True) - 2 * mean(x, y, different=False)
        found = kernel_physics_distance(x, y, sampling=total, normalise=False, seed=1)
        assert found.value == pytest.approx(expected, rel=1e-9)

    def test_bad_features_are_refused(self) -> None:
        good, bad = np.zeros((5, 2)), np.full((5, 2), np.nan)
        with pytest.raises(MetricError, match="5 rows"):
            kernel_physics_distance(bad, good, sampling=ONCE, seed=1)
        with pytest.raises(MetricError, match=r"\(5, 3\)"):
            frechet_physics_distance(np.zeros((5, 3)), good, seed=1)
        with pytest.raises(TooFewEventsError, match="replacement"):
            frechet_physics_distance(good, good, sampling=FrechetSampling(4, 8, replacement=False), seed=1)


def by_linear_program(x: Array, y: Array) -> float:
    """Energy mover's distance as it is defined: what is moved is at most what there is, and all that can be."""
    x, y = x[x[:, 2] > 0], y[y[:, 2] > 0]
    n, m = len(x), len(y)
    cost = np.linalg.norm(x[:, None, :2] - y[None, :, :2], axis=2).ravel()
    rows = np.concatenate([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    masses = np.concatenate([x[:, 2], y[:, 2]])
    moved = min(x[:, 2].sum(), y[:, 2].sum())
    done = optimize.linprog(cost, A_ub=rows, b_ub=masses, A_eq=np.ones((1, n * m)), b_eq=[moved])
    return float(done.fun + abs(x[:, 2].sum() - y[:, 2].sum()))


class TestMovers:
    def test_is_the_linear_program(self) -> None:
        rng = np.random.default_rng(10)
        x, y = jets(8, seed=11, particles=7), jets(8, seed=12, particles=5, width=1.5)
        y[..., 2] *= rng.uniform(0.3, 2, size=(8, 1))
        expected = [[by_linear_program(a, b) for b in y] for a in x]
        np.testing.assert_allclose(movers_distances(x, y), expected, rtol=1e-7)

    def test_known_jets(self) -> None:
        one = np.array([[0.1, 0.2, 0.6], [0, 0, 0]])
        assert energy_movers_distance(one, one + np.array([[0.3, 0.4, 0], [0, 0, 0]])) == pytest.approx(0.6 * 0.5)
        assert energy_movers_distance(one, one * np.array([1, 1, 1.5])) == pytest.approx(0.3)
        assert energy_movers_distance(one, 0 * one) == pytest.approx(0.6)
        split = np.array([[0.1, 0.2, 0.2], [0.1, 0.2, 0.4]])
        assert energy_movers_distance(one, split) == pytest.approx(0, abs=1e-12)
        assert energy_movers_distance(0 * one, 0 * one) == 0

    def test_is_a_metric(self) -> None:
        x = jets(12, seed=13)
        d = movers_distances(x, x)
        np.testing.assert_allclose(d, d.T, atol=1e-12)
        np.testing.assert_allclose(np.diag(d), 0, atol=1e-12)
        assert (d[:, :, None] + d[None] >= d[:, None] - 1e-12).all()

    def test_the_solver_is_loaded_with_the_first_distance(self) -> None:
        """It loads torch, where there is one."""
        code = (
            "import sys, numpy as np\n"
            "from analysis.metrics import jets, movers\n"
            "assert not {'ot', 'torch'} & set(sys.modules)\n"
            "movers.energy_movers_distance(np.ones((1, 3)), np.ones((1, 3)))\n"
            "assert 'ot' in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_not_finite_jets_are_refused(self) -> None:
        with pytest.raises(MetricError, match="finite"):
            movers_distances(np.full((1, 2, 3), np.nan), np.ones((1, 2, 3)))

    def test_coverage_counts_true_jets_that_generated_ones_are_near(self) -> None:
        truth, generated = (np.array([[[at, 0, 1.0]] for at in places]) for places in ((0, 1, 2), (0, 0.1, 0.2)))
        found = coverage_and_mmd(generated, truth, sampling=Sampling(3, 1, replacement=False), seed=1)
        assert (found.coverage.value, found.mmd.value) == pytest.approx((1 / 3, (0 + 0.8 + 1.8) / 3))

    def test_coverage_of_itself_and_of_one_jet(self) -> None:
        x, all_of_them = jets(30, seed=14), Sampling(30, 1, replacement=False)
        same = coverage_and_mmd(x, x, sampling=all_of_them, seed=1)
        assert (same.coverage.value, same.mmd.value) == pytest.approx((1, 0), abs=1e-12)
        collapsed = coverage_and_mmd(np.tile(x[:1], (30, 1, 1)), x, sampling=all_of_them, seed=1)
        assert collapsed.coverage.value == pytest.approx(1 / 30)
        assert collapsed.mmd.value == pytest.approx(movers_distances(x[:1], x).mean(), rel=1e-9)


SMALL = replace(
    PROTOCOLS["mpgan"],
    wasserstein=Sampling(1_000, 4),
    kernel=Sampling(500, 5),
    matching=Sampling(20, 3),
    frechet=FrechetSampling(500, 1_000, sizes=8, batches=15),
)


@pytest.fixture(scope="module")
def truth() -> Array:
    return jets(4_000, seed=20)


@pytest.fixture(scope="module")
def good(truth: Array) -> JetMetrics:
    return evaluate_jets(jets(2_500, seed=21), truth, protocol=SMALL, seed=1)


class TestEvaluation:
    def test_jets_of_the_same_distribution_are_at_the_floor(self, good: JetMetrics) -> None:
        value, floor = good.value, good.floor
        assert good.n_jets == 2_000
        for name in ("w1p", "w1m", "w1efp", "mmd"):
            assert getattr(value, name).value == pytest.approx(getattr(floor, name).value, rel=0.6), name
        for found in (value, floor):
            assert found.fpd.value < 3 * found.fpd.error
            assert abs(found.kpd.value) < 5 * found.kpd.error + 1e-4

    def test_wider_jets_are_above_it(self, truth: Array) -> None:
        found = evaluate_jets(jets(2_000, seed=22, width=0.22), truth, protocol=SMALL, seed=1)
        for name in ("w1_eta", "w1_phi", "w1m", "w1efp"):
            assert getattr(found.value, name).value > 3 * getattr(found.floor, name).value, name
        assert found.value.fpd.value > 10 * max(found.floor.fpd.value, found.floor.fpd.error)
        assert found.value.w1_pt.value < 3 * found.floor.w1_pt.value

    def test_invalid_jets_are_counted_left_out_and_shown(self, truth: Array) -> None:
        x = jets(1_000, seed=23)
        x[:3, 0, 0], x[3, 1, 2], x[4, 0, 1] = np.nan, np.inf, -np.inf
        x[5, 0, 2] = -0.1
        x[6:8] = 0
        found = evaluate_jets(x, truth, protocol=SMALL, seed=1)
        assert (found.n_invalid.non_finite, found.n_invalid.negative_pt, found.n_invalid.empty) == (5, 1, 2)
        assert found.n_jets == 992
        assert np.isfinite(found.value.w1m.value)
        assert "Invalid: 8 of 1,000 (0.80%)" in str(found)

    def test_table_names_protocol_floor_and_too_small_batches(self, good: JetMetrics, truth: Array) -> None:
        assert "truth against truth" in str(good)
        assert "do not compare" not in str(good)
        assert all(name in str(good) for name in ("W1M", "W1P", "W1EFP", "FPD", "KPD", "COV", "MMD"))
        short = evaluate_jets(truth[:300], truth, protocol=replace(SMALL, matching=None), seed=1)
        assert short.protocol.wasserstein.jets == 300
        assert short.value.coverage is None
        assert "do not compare" in str(short)
        assert "COV" not in str(short)

    def test_seed_decides(self, good: JetMetrics, truth: Array) -> None:
        again = evaluate_jets(jets(2_500, seed=21), truth, protocol=SMALL, seed=1)
        assert (again.value, again.floor) == (good.value, good.floor)

    def test_floor_does_not_depend_on_the_generator(self, good: JetMetrics, truth: Array) -> None:
        other = evaluate_jets(jets(2_000, seed=24, width=0.3), truth, protocol=SMALL, seed=1)
        assert other.floor == good.floor

    def test_too_few_or_malformed_jets_are_refused(self, truth: Array) -> None:
        with pytest.raises(TooFewEventsError, match="samples of 50"):
            evaluate_jets(truth[:50], truth, seed=1)
        with pytest.raises(MetricError, match="N, P, 3"):
            evaluate_jets(truth[..., :2], truth, seed=1)
        with pytest.raises(MetricError, match="'pcjedi'"):
            evaluate_jets(truth, truth, protocol="pc-jedi", seed=1)

    def test_valid_clouds_keep_their_order(self) -> None:
        x = jets(5, seed=25)
        x[1] = 0
        np.testing.assert_array_equal(valid_clouds(x)[0], x[[0, 2, 3, 4]])


class TestProtocols:
    def test_presets_are_those_of_the_papers(self) -> None:
        found = {name: (p.wasserstein.jets, p.wasserstein.batches) for name, p in PROTOCOLS.items()}
        assert found == {
            "mpgan": (10_000, 5),
            "pcjedi": (10_000, 10),
            "epicgan": (10_000, 5),
            "epicfm": (50_000, 40),
            "fpcd": (50_000, 5),
            "kaech": (25_000, 5),
        }
        assert [name for name, p in PROTOCOLS.items() if not p.wasserstein.replacement] == ["epicgan"]
        assert [name for name, p in PROTOCOLS.items() if p.average is inverse_variance_mean] == ["kaech"]

    def test_features_of_the_physics_distances_are_36(self) -> None:
        assert energy_flow_polynomials(jets(3, seed=1)).shape == (3, 36)


def test_events_whose_squares_overflow_are_named() -> None:
    true = moments(np.random.default_rng(1).normal(size=(50, 2)))
    wild = Moments(true.mean, np.full((2, 2), np.inf))
    for pair, which in (((wild, true), "first"), ((true, wild), "second")):
        with pytest.raises(MetricError, match=f"covariance of the {which} sample is not finite"):
            frechet_distance(*pair)
