"""JetFlow: the contract of clouds, and jets that have the mass that they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from analysis.features.constituents import relative_mass
from generators.errors import HyperparameterError
from generators.jets.jet_flow import MassLoss
from generators.registry import create
from tests.generators.contracts import EventContract
from tests.generators.test_clouds import POINTS, clouds, counts

SPECIFICATION: dict[str, Any] = {
    "kind": "jet_flow",
    "blocks": 4,
    "hidden": 32,
    "layers": 1,
    "constraint": 20.0,
    "training": {"steps": 150, "batch_size": 128, "learning_rate": 5e-3, "ema_decay": 0.9},
}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return SPECIFICATION


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*clouds(3_000, seed=10), seed=1)


class TestClouds(EventContract):
    shape = (POINTS, 3)
    fitted_on = 3_000
    events = staticmethod(clouds)

    def test_mass_and_number_follow_the_context(self, fitted: Any) -> None:
        x, c = clouds(3_000, seed=30)
        drawn = fitted.sample(c, seed=5)
        wide = c[:, 0] > 3
        for of in (relative_mass, counts):
            true, made = of(x).astype(float), of(drawn).astype(float)
            assert np.corrcoef(true, c[:, 0])[0, 1] * np.corrcoef(made, c[:, 0])[0, 1] > 0
            assert made[wide].mean() == pytest.approx(true[wide].mean(), rel=0.12)
            assert made[~wide].mean() == pytest.approx(true[~wide].mean(), rel=0.12)

    def test_jets_have_the_mass_they_are_asked_for(self, fitted: Any) -> None:
        network = fitted.networks_[0]
        n, c = torch.full((400,), POINTS), torch.zeros(400, 2)
        at = torch.linspace(-1, 1, 400)[:, None]
        torch.manual_seed(1)
        drawn = network.flow.transport(torch.randn(400, POINTS, 3), n, torch.cat([c, at], dim=1))
        mass = MassLoss(network, fitted.bijection_, 0.0).mass(drawn, n)
        got = network.score(mass)[:, 0]
        assert float(torch.corrcoef(torch.stack([got, at[:, 0]]))[0, 1]) > 0.5


def test_mass_is_that_of_four_momenta() -> None:
    x, c = clouds(200, seed=3)
    made = create({**SPECIFICATION, "training": {"epochs": None, "steps": 1, "batch_size": 64}}).fit(x, c, seed=1)
    z, n = made.mapped(torch.as_tensor(x), torch.as_tensor(c), seed=0)
    mass = MassLoss(made.networks_[0], made.bijection_, 0.0).mass(z, n[:, 0].long())
    # Over the sum of pT of the constituents there, over that of the jet here.
    pt = np.hypot((x[..., 2] * np.cos(x[..., 1])).sum(1), (x[..., 2] * np.sin(x[..., 1])).sum(1))
    np.testing.assert_allclose(mass.numpy(), relative_mass(x) / pt, rtol=1e-4, atol=1e-4)


def test_published_size_has_thirty_couplings() -> None:
    network = create({"kind": "jet_flow", "preset": "published"}).build((30, 3), 0)
    assert len(network.flow.blocks) == 30


@pytest.mark.parametrize(("name", "value"), [("blocks", 0), ("constraint", -1.0), ("tail_bound", float("inf"))])
def test_wrong_hyperparameters_are_named(name: str, value: float) -> None:
    with pytest.raises(HyperparameterError, match=name):
        create({"kind": "jet_flow", name: value})
