"""Distances between samples: identities, known values, and the floor of two samples of one truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics.distances import distance_floor, sliced_distances

Array = NDArray[np.float64]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_240_508)


def mean_distance(x: Array, y: Array, p: Array, q: Array) -> float:
    pairs = np.linalg.norm(x[:, None] - y[None], axis=2)
    return float(p @ pairs @ q / p.sum() / q.sum())


class TestValues:
    def test_one_feature_agrees_with_scipy(self, rng: np.random.Generator) -> None:
        x, y = rng.normal(size=300), rng.normal(0.4, 1.3, size=200)
        p, q = rng.random(300), rng.random(200)
        found = sliced_distances(x[:, None], y[:, None], x_weights=p, y_weights=q, directions=3, seed=1)
        assert found.wasserstein == pytest.approx(stats.wasserstein_distance(x, y, p, q), rel=1e-12)
        assert found.energy == pytest.approx(stats.energy_distance(x, y, p, q), rel=1e-12)

    @pytest.mark.parametrize("features", [2, 4])
    def test_energy_is_that_of_all_pairs_in_space(self, rng: np.random.Generator, features: int) -> None:
        x, y = rng.normal(size=(150, features)), rng.normal(0.7, 1.5, size=(120, features))
        p, q = rng.random(150), rng.random(120)
        found = sliced_distances(x, y, x_weights=p, y_weights=q, directions=8_000, seed=2).energy
        exact = 2 * mean_distance(x, y, p, q) - mean_distance(x, x, p, p) - mean_distance(y, y, q, q)
        assert found == pytest.approx(exact**0.5, rel=5e-3)

    @pytest.mark.parametrize(("features", "shorter"), [(1, 1.0), (2, 2 / np.pi), (3, 0.5), (4, 4 / (3 * np.pi))])
    def test_a_shift_is_shortened_by_its_mean_projection(
        self, rng: np.random.Generator, features: int, shorter: float
    ) -> None:
        x, shift = rng.normal(size=(50, features)), rng.normal(size=features)
        found = sliced_distances(x, x + shift, directions=6_000, seed=3).wasserstein
        assert found == pytest.approx(np.linalg.norm(shift) * shorter, rel=0.01)


class TestIdentities:
    def test_equal_samples_have_no_distance_in_any_order(self, rng: np.random.Generator) -> None:
        x = rng.normal(size=(400, 3))
        found = sliced_distances(x, x[rng.permutation(400)], seed=1)
        assert (found.wasserstein, found.energy) == pytest.approx((0, 0), abs=1e-7)

    def test_exchange_and_scale(self, rng: np.random.Generator) -> None:
        x, y = rng.normal(size=(300, 3)), rng.normal(0.3, 1, size=(200, 3))
        one, other = sliced_distances(x, y, seed=1), sliced_distances(y, x, seed=1)
        assert (one.wasserstein, one.energy) == pytest.approx((other.wasserstein, other.energy))
        moved = sliced_distances(4 * x + 9, 4 * y + 9, seed=1)
        assert (moved.wasserstein, moved.energy) == pytest.approx((4 * one.wasserstein, 2 * one.energy))

    def test_weighting_is_repeating(self, rng: np.random.Generator) -> None:
        x, y = rng.normal(size=(80, 2)), rng.normal(0.3, 1, size=(90, 2))
        times = rng.integers(0, 4, size=80)
        assert _close(
            sliced_distances(x, y, x_weights=times.astype(float), seed=1),
            sliced_distances(np.repeat(x, times, axis=0), y, seed=1),
        )
        # A negative weight takes an event away again.
        assert _close(
            sliced_distances(np.concatenate([x, x[:9]]), y, x_weights=np.r_[np.ones(80), -np.ones(9)], seed=1),
            sliced_distances(x[9:], y, seed=1),
        )

    def test_directions_come_from_the_seed(self, rng: np.random.Generator) -> None:
        x, y = rng.normal(size=(80, 3)), rng.normal(0.3, 1, size=(90, 3))
        assert sliced_distances(x, y, seed=1) == sliced_distances(x, y, seed=1)
        assert sliced_distances(x, y, seed=1) != sliced_distances(x, y, seed=2)


class TestFloor:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_is_the_mean_distance_of_two_samples_of_one_truth(self, rng: np.random.Generator, weighted: bool) -> None:
        def draw(n: int) -> tuple[Array, Array]:
            return rng.standard_t(5, size=(n, 3)), rng.choice([-0.5, 2.0], n, p=[0.2, 0.8]) if weighted else np.ones(n)

        found, floors = [], []
        for index in range(40):
            (x, w), (y, _) = draw(400), draw(1_600)
            direct = sliced_distances(x, y, x_weights=w, directions=24, seed=index)
            floor = distance_floor(x, weights=w, against=1_600, splits=4, directions=24, seed=index)
            found.append((direct.wasserstein, direct.energy))
            floors.append((floor.wasserstein.value, floor.energy.value))
        error = np.std(found, axis=0) / 40**0.5
        assert np.mean(floors, axis=0) == pytest.approx(np.mean(found, axis=0), abs=float(4 * error.max()))
        assert (4 * error / np.mean(found, axis=0)).max() < 0.2

    def test_spread_is_that_from_sample_to_sample(self, rng: np.random.Generator) -> None:
        samples = [(rng.normal(size=(400, 2)), rng.normal(size=(400, 2))) for _ in range(60)]
        spread = np.std([sliced_distances(x, y, directions=24, seed=1).wasserstein for x, y in samples])
        floor = distance_floor(samples[0][0], against=400, splits=60, directions=24, seed=1)
        assert floor.wasserstein.error == pytest.approx(spread, rel=0.4)

    def test_a_difference_rises_above_it(self, rng: np.random.Generator) -> None:
        x, y = rng.normal(size=(2_000, 3)), rng.normal(0.1, 1, size=(8_000, 3))
        found, floor = sliced_distances(x, y, seed=1), distance_floor(x, against=8_000, seed=1)
        assert found.wasserstein > floor.wasserstein.value + 3 * floor.wasserstein.error
        assert found.energy > floor.energy.value + 3 * floor.energy.error

    def test_needs_events(self) -> None:
        with pytest.raises(TooFewEventsError, match=r"19\.0 effective events"):
            distance_floor(np.arange(19.0)[:, None], against=100, seed=1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x": np.zeros(3)}, r"x must be \(N, D\)"),
        ({"x_weights": np.ones(2)}, r"weights \(N,\)"),
        ({"y": np.zeros((3, 2))}, "x has 1 features and y 2"),
        ({"y": np.array([[0.0], [np.nan]])}, "y: 1 events or weights are NaN or infinite"),
        ({"x_weights": np.array([1.0, -1.0, 0.0])}, "weights that sum to 0"),
        ({"x": np.zeros((0, 1))}, "nothing to compare"),
    ],
)
def test_input_without_a_distance_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(MetricError, match=said):
        sliced_distances(**{"x": np.zeros((3, 1)), "y": np.ones((4, 1)), "seed": 1, **changes})


def _close(one: Any, other: Any) -> bool:
    return bool(np.allclose([one.wasserstein, one.energy], [other.wasserstein, other.energy], rtol=1e-9))
