"""CaloPointFlow: the published number of parameters, points that follow a permutation, and a fit that learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError
from generators.registry import create
from generators.showers.calo_point_flow import CaloPointFlow
from generators.tabular.composed import ComposedFlow

#: Of the public configuration, without the 510,792 of its flow of the number of points and the energy.
PUBLISHED = {4: 39_977_776 - 510_792, 3: 39_958_758 - 510_792}


@pytest.mark.parametrize("features", PUBLISHED)
def test_published_sizes(features: int) -> None:
    made = create({"kind": "calo_point_flow", "preset": "published", "multiplicity": -1})
    with torch.device("meta"):
        network = made.build((6000, features), 3)
    assert sum(parameter.numel() for parameter in network.parameters()) == PUBLISHED[features]


def test_points_follow_a_permutation_of_their_noise() -> None:
    torch.manual_seed(1)
    small = {"latent": 4, "each": [8], "whole": [8], "prior_hidden": 8, "blocks": 2, "multiplicity": -1}
    network = CaloPointFlow(**small).build((5, 3), 2)
    noise, known, counts = torch.randn(2, 5, 3), torch.randn(2, 6), torch.tensor([5, 5])
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(
        network.points(counts, noise[:, order], known), network.points(counts, noise, known)[:, order]
    )
    x = network.points(counts, noise, known)
    normal = -0.5 * (noise.square() + np.log(2 * np.pi)).sum(dim=(1, 2))
    jacobian = torch.autograd.functional.jacobian(lambda rows: network.points(counts[:1], rows, known[:1]), noise[:1])
    due = normal[0] - torch.linalg.slogdet(jacobian.reshape(15, 15))[1]
    mask = torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(network.log_density_of_points(x, mask, known)[0], due, rtol=1e-3, atol=1e-3)


def test_what_the_latent_numbers_cost_is_their_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing where encoder and prior agree; with another constant of the entropy it is not."""
    torch.manual_seed(2)
    made = CaloPointFlow(latent=4, each=[8], whole=[8], blocks=1, multiplicity=-1)
    network = made.build((5, 3), 1)
    network.prior = ComposedFlow(4, [])
    torch.nn.init.zeros_(network.encoder.whole[-1].weight)
    torch.nn.init.zeros_(network.encoder.whole[-1].bias)
    monkeypatch.setattr(network, "log_density_of_points", lambda z, mask, known: torch.zeros(len(z)))
    loss = made.objective(network)(torch.randn(20_000, 5, 3), torch.full((20_000, 2), 5.0))
    assert float(loss.detach().mean()) == pytest.approx(0, abs=0.02)


def test_what_is_no_size_is_named() -> None:
    for name, value in (("hidden", []), ("latent", 0), ("bins", 1)):
        with pytest.raises(HyperparameterError, match=name):
            CaloPointFlow(**{name: value})
