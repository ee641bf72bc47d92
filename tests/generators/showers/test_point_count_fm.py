"""PointCountFM: published size, contract, and numbers of points that follow the energy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generators.errors import HyperparameterError
from generators.registry import create
from generators.testing.gaussian import gaussian_events
from tests.generators.contracts import EventContract

SPECIFICATION: dict[str, Any] = {
    "kind": "point_count_fm",
    "widths": [32, 32],
    "training": {"epochs": None, "steps": 300, "batch_size": 256, "learning_rate": 8e-3},
}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*gaussian_events(1_000, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 1_000
    events = staticmethod(gaussian_events)


def test_density_integrates_to_one(fitted: Any) -> None:
    first, second = np.linspace(-1, 13, 81), np.linspace(-15, 3, 81)
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(fitted.log_prob(grid, np.full((len(grid), 1), 3.0)))
    assert density.sum() * (first[1] - first[0]) * (second[1] - second[0]) == pytest.approx(1, abs=0.03)


def test_numbers_of_points_follow_the_energy() -> None:
    rng = np.random.default_rng(1)
    energy = rng.uniform(1, 4, (3_000, 1))
    numbers = rng.poisson(energy * np.array([1.0, 5.0, 2.0])).astype(np.float64)
    bijection = {"kind": "chain", "bijections": ["dequantise", "quantile_normal"]}
    made = create({**SPECIFICATION, "bijection": bijection}).fit(numbers, energy, seed=1)
    for at in (1.5, 3.5):
        drawn = made.sample(np.full((2_000, 1), at), seed=2)
        assert np.array_equal(drawn, np.round(drawn))
        assert drawn.mean(axis=0) == pytest.approx(at * np.array([1.0, 5.0, 2.0]), rel=0.12)


def test_what_is_no_size_is_named() -> None:
    for name, value in (("widths", []), ("widths", [0]), ("frequencies", 0), ("sampling_steps", 0)):
        with pytest.raises(HyperparameterError, match=name):
            create({"kind": "point_count_fm", name: value})
