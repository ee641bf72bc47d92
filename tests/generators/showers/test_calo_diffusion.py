"""CaloDiffusion: contract, a density that integrates to one, and showers that are turned as their noise is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import yaml

from generators.errors import HyperparameterError, ShapeError
from generators.protocols import DensityGenerator
from generators.registry import create
from generators.testing.gaussian import gaussian_events
from tests.generators.contracts import EventContract
from tests.generators.showers.toys import LAYERS, of_layers, showers, with_layers

FLOW: dict[str, Any] = {
    "kind": "cylindrical_diffusion",
    "channels": [8, 8],
    "sampling_steps": 6,
    "density_steps": 8,
    "log_density": "exact",
    "training": {"epochs": None, "steps": 25, "batch_size": 128, "learning_rate": 1e-2, "ema_decay": 0.9},
}
SPECIFICATION: dict[str, Any] = {"kind": "calo_diffusion", "layers": LAYERS, "flow": FLOW}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*with_layers(600, 10), seed=1)


class TestContract(EventContract):
    fitted_on = 600
    events = staticmethod(with_layers)


@pytest.mark.parametrize("images", [["radius", "layer"], ["radius", "layer", "angle"]])
def test_turned_noise_gives_a_turned_shower_unless_the_angle_is_seen(images: list[str]) -> None:
    """All layers with angles are turned by two of ten, the turn of the odd number of the coarser level."""
    layers, turn = [[1, 3], [10, 4], [10, 2]], 2
    torch.manual_seed(1)
    made = create({**FLOW, "layers": layers, "images": images, "channels": [8, 8, 8, 8]})
    network: Any = made.build((63,), 1)

    def turned(x: torch.Tensor) -> torch.Tensor:
        parts = torch.split(x, [3, 40, 20], dim=1)
        rolled = [p.reshape(-1, a, r).roll(turn * (a > 1), 1) for p, (a, r) in zip(parts, layers, strict=True)]
        return torch.cat([part.flatten(1) for part in rolled], dim=1)

    noise, c = torch.randn(3, 63), torch.randn(3, 1)
    with torch.no_grad():
        same = torch.allclose(network.transport(turned(noise), c), turned(network.transport(noise, c)), atol=1e-4)
    assert same == ("angle" not in images)


def test_large_grids_pass_in_parts() -> None:
    """So many rows at once that eight megabytes hold a level, whatever is asked for; the draws are the same."""
    made = create({"kind": "cylindrical_diffusion", "layers": [[50, 18]] * 45, "channels": [32, 32]})
    assert made.network(40_500, 1).rows_at_once == 1
    network: Any = create({**FLOW, "layers": LAYERS}).build((5,), 1)
    noise, c = torch.randn(7, 5), torch.randn(7, 1)
    with torch.no_grad():
        whole, network.rows_at_once = network.transport(noise, c), 2
        torch.testing.assert_close(network.transport(noise, c), whole, atol=1e-5, rtol=1e-5)
    assert network.log_density(noise, c).shape == (7,)


def test_density_integrates_to_one() -> None:
    x, c = gaussian_events(600, seed=10)
    flow = create({**FLOW, "layers": [[1, 1]]}).fit(x[:, :1], c, seed=1)
    points = np.linspace(-2, 14, 65)[:, None]
    density = np.exp(flow.log_prob(points, np.full((len(points), 1), 3.0)))
    assert density.sum() * (points[1, 0] - points[0, 0]) == pytest.approx(1, abs=0.02)


def test_a_shower_that_can_not_be_has_no_density(fitted: Any) -> None:
    x, c = with_layers(5, 12)
    assert isinstance(fitted, DensityGenerator)
    assert np.isfinite(fitted.log_prob(x[:2], c[:2])).all()
    assert (fitted.log_prob(1.1 * x, c) == -np.inf).all()


@pytest.mark.parametrize("sampler", ["ancestral", "dpm++2m", "stochastic_heun"])
def test_samplers_of_the_package_serve(fitted: Any, sampler: str) -> None:
    _, c = with_layers(50, 12)
    other = create({**SPECIFICATION, "flow": {**FLOW, "sampler": sampler}}).restore(fitted.state())
    drawn = other.sample(c, seed=1).astype(np.float64)
    assert drawn[:, :2].sum(axis=1) == pytest.approx(c[:, 1], rel=1e-5, abs=1e-8)


def test_shapes_of_a_chain_by_name() -> None:
    """As in the YAML of a search: the chain says the layers, and the diffusion is all that is named."""
    text = """
    kind: showers
    layers: [[1, 2], [2, 2]]
    energies: {kind: coupling_spline, blocks: 1, hidden: 8, training: {steps: 5}}
    shapes:
      kind: calo_diffusion
      flow:
        kind: cylindrical_diffusion
        channels: [8, 8]
        sampling_steps: 2
        training: {steps: 3, epochs: null, batch_size: 64}
    """
    x, _ = of_layers([[1, 2], [2, 2]], 200, 1)
    c = showers(200, 1)[1]
    made = create(yaml.safe_load(text)).fit(x, c, seed=1)
    drawn = made.sample(c[:20], seed=2)
    assert drawn.shape == (20, 6)
    assert (drawn.sum(axis=1) > 0).all()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"layers": [[2, 1], [3, 1]]}, "divide"),
        ({"layers": [[1, 2]], "radii": [[0, 1]]}, "radii"),
        ({"layers": [[1, 2]], "radii": [[0, 2, 1]]}, "radii"),
        ({"layers": [[1, 2]], "radii": [[0, 1, 2], [0, 1, 2]]}, "radii"),
        ({"images": ["depth"]}, "images"),
        ({"channels": [8, 12]}, "multiples of 8"),
        ({"channels": [8]}, "two or more"),
        ({"schedule": "crooked"}, "schedule"),
    ],
)
def test_what_does_not_fit_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(HyperparameterError, match=named):
        create({**FLOW, **wrong})


def test_another_flow_and_other_features_are_refused() -> None:
    with pytest.raises(HyperparameterError, match="cylindrical_diffusion"):
        create({**SPECIFICATION, "flow": {"kind": "maf"}})
    with pytest.raises(ShapeError, match="3 features"):
        create({**FLOW, "layers": [[1, 2]]}).build((3,), 1)
