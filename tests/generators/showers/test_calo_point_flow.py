"""CaloPointFlow: the published number of parameters, points that follow a permutation, and a fit that learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError
from generators.registry import create
from generators.showers.calo_point_flow import CaloPointFlow
from generators.showers.cloud_presets import point_shapes
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


@pytest.mark.parametrize("layers", [[[16, 9]] * 45, [[50, 18]] * 45], ids=["data set 2", "data set 3"])
def test_showers_of_many_layers_have_their_energies_and_no_voxel_twice(layers: list[list[int]]) -> None:
    rng, (angles, rings) = np.random.default_rng(3), layers[0]
    x = np.zeros((60, 45, angles * rings))
    # The core has more points than cells of the first ring.
    x[:, 20, ::rings] = rng.exponential(0.1, (60, angles))
    x += np.where(rng.random(x.shape) < 4 / x.shape[2], rng.exponential(0.1, x.shape), 0)
    x[x < 1e-3] = 0
    c = np.column_stack([x.sum(axis=(1, 2)), x.sum(axis=2)])
    training = {"epochs": None, "steps": 2, "batch_size": 8, "ema_decay": None}
    numbers = {"kind": "chain", "bijections": ["dequantise", "quantile_normal"]}
    sizes = {name: [4] for name in ("each", "whole", "set_each", "set_whole", "hidden")}
    sizes |= {"latent": 2, "blocks": 2, "prior_blocks": 1, "prior_hidden": 4}
    counts = {"kind": "point_count_fm", "widths": [8], "sampling_steps": 2, "bijection": numbers, "training": training}
    points = {"kind": "calo_point_flow", **sizes, "training": training}
    made = create({**point_shapes("calo_point_flow", "small", layers=layers), "counts": counts, "points": points})
    x = x.reshape(60, -1)
    drawn = made.fit(x, c, seed=1).sample(c, seed=2).astype(np.float64)
    assert drawn.reshape(60, 45, -1).sum(axis=2) == pytest.approx(c[:, 1:], rel=1e-5)
    # As many voxels as points that were drawn: no two of these are in one.
    seed, voxels = int(np.random.SeedSequence(2).spawn(3)[0].generate_state(1)[0]), made.coordinates_.voxels
    due = voxels.possible(made.fitted_[0].sample(c, seed=seed), c[:, 1:])
    assert np.array_equal((drawn > 0).reshape(60, 45, -1).sum(axis=2), due)


def test_what_is_no_size_is_named() -> None:
    for name, value in (("hidden", []), ("latent", 0), ("bins", 1)):
        with pytest.raises(HyperparameterError, match=name):
            CaloPointFlow(**{name: value})
