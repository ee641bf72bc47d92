"""CaloDREAM: published sizes, contract, and a density by the divergence, exact and by random directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError, ShapeError
from generators.protocols import DensityGenerator
from generators.registry import create
from generators.testing.gaussian import gaussian_events
from tests.generators.contracts import EventContract
from tests.generators.showers.test_caloflow import parameters
from tests.generators.showers.toys import LAYERS, with_layers

FLOW: dict[str, Any] = {
    "kind": "patch_flow",
    "patch": [1, 2, 1],
    "width": 12,
    "depth": 1,
    "heads": 2,
    "ratio": 2,
    "path": "trigonometric",
    "solver": "midpoint",
    "sampling_steps": 6,
    "density_steps": 6,
    "log_density": "exact",
    "training": {"epochs": None, "steps": 40, "batch_size": 128, "learning_rate": 1e-2},
}
SPECIFICATION: dict[str, Any] = {"kind": "calodream", "layers": LAYERS, "flow": FLOW}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*with_layers(600, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 600
    events = staticmethod(with_layers)


def test_published_sizes() -> None:
    """Of CaloChallenge 2 and 3 (calorimeter facts; 2405.09629)."""
    assert parameters({"kind": "patch_flow", "layers": [[16, 9]] * 45}, 6480, 46) == 26_042_688
    ds3 = {"kind": "patch_flow", "layers": [[50, 18]] * 45, "patch": [3, 5, 2], "width": 240, "ratio": 3}
    assert parameters(ds3, 40_500, 46) == 5_868_870


def test_density_of_a_flow_in_time_integrates_to_one() -> None:
    x, c = gaussian_events(1_000, seed=10)
    flow = create({**FLOW, "layers": [[1, 2]], "density_steps": 10}).fit(x, c, seed=1)
    first, second = np.linspace(2, 10, 41), np.linspace(-12, 0, 41)
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(flow.log_prob(grid, np.full((len(grid), 1), 3.0)))
    assert density.sum() * (first[1] - first[0]) * (second[1] - second[0]) == pytest.approx(1, abs=0.03)


def test_random_directions_give_the_divergence_in_the_mean(fitted: Any) -> None:
    x, c = with_layers(20, 12)
    assert isinstance(fitted, DensityGenerator)
    exact = fitted.log_prob(x, c)
    assert np.isfinite(exact).all()
    other = create({**SPECIFICATION, "flow": {**FLOW, "log_density": "hutchinson", "probes": 48}})
    estimated = other.restore(fitted.state()).log_prob(x, c)
    assert np.median(np.abs(estimated - exact)) < 0.25
    few = create({**SPECIFICATION, "flow": {**FLOW, "log_density": "hutchinson", "probes": 1}}).restore(fitted.state())
    whole = few.log_prob(x, c)
    assert few.log_prob(x[:3], c[:3]) == pytest.approx(whole[:3], abs=1e-3)
    assert few.log_prob(x[::-1].copy(), c[::-1].copy()) == pytest.approx(whole[::-1], abs=1e-3)


def test_a_shower_that_can_not_be_has_no_density(fitted: Any) -> None:
    x, c = with_layers(5, 12)
    assert (fitted.log_prob(1.1 * x, c) == -np.inf).all()
    assert torch.isfinite(torch.as_tensor(fitted.sample(c, seed=1))).all()


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(HyperparameterError, match="patch_flow"):
        create({**SPECIFICATION, "flow": {"kind": "maf"}})
    with pytest.raises(HyperparameterError, match="patch"):
        create({**FLOW, "patch": [1, 2]})
    with pytest.raises(HyperparameterError, match="path"):
        create({**FLOW, "path": "crooked"})
    with pytest.raises(ShapeError, match="3 features"):
        create({**FLOW, "layers": [[1, 2]]}).build((3,), 1)
