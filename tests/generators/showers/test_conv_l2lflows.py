"""Convolutional L2LFlows: published sizes, contract, an exact inverse, and a density that is one of its draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError, ShapeError
from generators.registry import create
from tests.generators.contracts import EventContract
from tests.generators.showers.test_caloflow import parameters
from tests.generators.showers.toys import PAIR, of_pair, shares_of_patterns

FLOW: dict[str, Any] = {
    "kind": "image_flow",
    "blocks": 2,
    "hidden": 4,
    "embedded": 3,
    "strides": [[1, 1], [2, 1]],
    "bins": 6,
    "tail_bound": 8.0,
    "training": {"epochs": None, "steps": 20, "batch_size": 256, "learning_rate": 1e-2},
}
SPECIFICATION: dict[str, Any] = {"kind": "conv_l2lflows", "layers": PAIR, "before": 2, "flow": FLOW}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*of_pair(600, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 600
    events = staticmethod(of_pair)


def test_published_sizes() -> None:
    """Of the first layer flow, of those with five layers before, and of all (calorimeter facts; 2405.20407)."""
    grid = [50, 18]
    sizes = [
        parameters({"kind": "image_flow", "grid": grid, "before": [grid] * before}, 900, 2 + 900 * before)
        for before in range(6)
    ]
    assert (sizes[0], sizes[5]) == (4_307_632, 4_322_952)
    assert sum(sizes[min(layer, 5)] for layer in range(45)) == 194_517_440


@pytest.mark.parametrize("grid", [[4, 2], [3, 4], [5, 3]])
def test_sampling_undoes_the_way_to_noise(grid: list[int]) -> None:
    cells = grid[0] * grid[1]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = create({**FLOW, "grid": grid, "before": [[2, 3]]}).build((cells,), 2 + 6).eval()
        for parameter in network.parameters():
            parameter.data = parameter + 0.1 * torch.randn_like(parameter)
    random = torch.Generator().manual_seed(2)
    noise, c = (torch.randn(6, n, generator=random, dtype=torch.float64) for n in (cells, 8))
    with torch.no_grad():
        z = network.transport(noise, c)
        log_q = network.log_density(z, c)
    # The density is that of the noise over the volume that the way back makes of it.
    slopes = torch.autograd.functional.jacobian(lambda e: network.transport(e[None], c[:1])[0], noise[0])
    due = torch.distributions.Normal(0.0, 1.0).log_prob(noise[0]).sum() - torch.linalg.slogdet(slopes)[1]
    assert float(log_q[0]) == pytest.approx(float(due), abs=1e-6)


def test_density_does_not_depend_on_the_company_of_a_shower(fitted: Any) -> None:
    """Batches are normalised by what was seen in training, not by themselves."""
    x, c = of_pair(50, 12)
    assert fitted.log_prob(x[:3], c[:3]) == pytest.approx(fitted.log_prob(x, c)[:3], rel=1e-9)


@pytest.mark.slow
def test_density_is_that_of_the_draws() -> None:
    """With many draws: this flow has longer tails than the noise, so that a mean over eight of them scatters."""
    training = {**FLOW["training"], "steps": 400, "learning_rate": 5e-3}
    flow = {**FLOW, "hidden": 8, "training": training}
    made = create({**SPECIFICATION, "flow": flow, "draws": 128}).fit(*of_pair(4_000, 10), seed=1)
    integrals, found = shares_of_patterns(made, 0.02, 0.03, 11)
    assert integrals.sum() == pytest.approx(1, abs=0.1)
    assert np.abs(integrals - found).max() < 0.04


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(HyperparameterError, match="image_flow"):
        create({**SPECIFICATION, "flow": {"kind": "coupling_spline"}})
    with pytest.raises(HyperparameterError, match="pairs"):
        create({**FLOW, "strides": [[2, 2]]})
    with pytest.raises(ShapeError, match="5 features"):
        create({**FLOW, "grid": [2, 2]}).build((5,), 1)
    with pytest.raises(ShapeError, match="too few"):
        create({**FLOW, "grid": [2, 2], "before": [[2, 2]]}).build((4,), 3)
