"""A transformer on patches: every voxel is in one patch, near voxels together, and at first there is no velocity."""

from __future__ import annotations

import torch

from generators.networks.vision_transformer import VisionTransformer, _patches

LAYERS = [[2, 3], [2, 3], [2, 3], [1, 5], [4, 2]]


def test_every_voxel_is_in_one_patch() -> None:
    places, positions = _patches(LAYERS, [2, 2, 2])
    assert sorted(places.flatten().tolist())[: 18 + 5 + 8] == list(range(31))
    assert positions.shape == (len(places), 3)
    # Layers 0 and 1, both angles, rings 0 and 1.
    assert places[0].tolist() == [0, 1, 3, 4, 6, 7, 9, 10]


def test_velocity_is_nothing_at_first_and_then_of_all_voxels() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = VisionTransformer(LAYERS, 2, patch=[2, 2, 2], width=12, depth=2, heads=2, ratio=2)
        x, c = torch.randn(3, 31), torch.randn(3, 2)
        assert float(network(x, torch.tensor(0.5), c).detach().abs().max()) == 0
        for parameter in network.parameters():
            parameter.data = parameter + 0.3 * torch.randn_like(parameter)
    slopes = torch.autograd.functional.jacobian(lambda one: network(one[None], torch.tensor(0.5), c[:1])[0], x[0])
    assert bool((slopes.abs().sum(dim=1) > 0).all())
    assert bool((slopes[0].abs() > 0).all())
