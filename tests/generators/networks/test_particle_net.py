"""ParticleNet: size, symmetry, and its convolution against loops over jets, points and neighbours."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from generators.errors import ShapeError
from generators.networks.particle_net import ParticleNet


@pytest.fixture(scope="module")
def network() -> ParticleNet:
    torch.manual_seed(1)
    network = ParticleNet().double()
    # Statistics that are not those of a new network, which normalises by nothing.
    for _ in range(2):
        network(torch.randn(4, 30, 3, dtype=torch.float64))
    return network.eval()


def jets(n: int, points: int = 30) -> Tensor:
    return torch.randn(n, points, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def by_loops(network: ParticleNet, jet: Tensor) -> Tensor:
    x, place = jet, jet[:, :2]
    for convolution in network.edges:
        rows = []
        for i in range(len(x)):
            others = sorted((j for j in range(len(x)) if j != i), key=lambda j: float((place[j] - place[i]).norm()))
            pairs = torch.stack([torch.cat([x[i], x[j] - x[i]]) for j in others[: network.neighbours]])
            rows.append(torch.cat([convolution.layers(pairs).mean(dim=0), x[i]]))
        x = place = torch.stack(rows)
    return network.activate(x.mean(dim=0))


def test_number_of_parameters_is_that_of_the_published_network() -> None:
    assert sum(p.numel() for p in ParticleNet().parameters() if p.requires_grad) == 410_437


def test_activations_are_those_of_loops(network: ParticleNet) -> None:
    x = jets(1, 20)
    with torch.no_grad():
        torch.testing.assert_close(network.activations(x), torch.stack([by_loops(network, jet) for jet in x]))


def test_order_of_constituents_does_not_matter(network: ParticleNet) -> None:
    x = jets(4)
    # Equal points, as absent constituents are.
    x[:, 22:] = torch.tensor([0, 0, -0.5])
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(network.activations(x[:, order]), network.activations(x))


def test_jets_do_not_see_each_other(network: ParticleNet) -> None:
    x = jets(4)
    torch.testing.assert_close(network.activations(x)[2:3], network.activations(x[2:3]))


def test_directions_are_learned_and_activations_not_rectified(network: ParticleNet) -> None:
    x = jets(3)
    activations = network.activations(x)
    assert (activations < 0).any()
    assert not torch.allclose(network.activations(x * torch.tensor([1.0, 1.0, 2.0])), activations, rtol=1e-3)
    torch.testing.assert_close(network(x), network.classify(activations.clamp(min=0)))


def test_it_learns(network: ParticleNet) -> None:
    network = copy.deepcopy(network).train()
    network(jets(4)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters() if p.dim() > 1)


def test_too_few_constituents_are_refused(network: ParticleNet) -> None:
    with pytest.raises(ShapeError, match="P > 16"):
        network(jets(2, 16))
