"""The tree of energies: it loses nothing, knows nothing too early, and keeps what a rotation keeps."""

from __future__ import annotations

import pytest
import torch

from generators.errors import HyperparameterError
from generators.showers.energy_tree import MISS, PART, REST, EnergyTree

#: Angles and rings of the layers, and voxels, of photons and pions in CaloChallenge 1, and of CaloChallenge 2.
GEOMETRIES = {
    "photons": ([[1, 8], [10, 16], [10, 19], [1, 5], [1, 5]], 368),
    "pions": ([[1, 8], [10, 10], [10, 10], [1, 5], [10, 15], [10, 16], [1, 10]], 533),
    "second": ([[16, 9]] * 45, 6480),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_there_is_one_number_for_each_voxel(name: str) -> None:
    layers, voxels = GEOMETRIES[name]
    whole, shapes = EnergyTree(layers, list(range(len(layers)))), EnergyTree(layers, None)
    assert whole.voxels == shapes.voxels == voxels
    # The last piece is what is left, and the energy of the shower is one number more.
    assert int((~whole.last).sum()) + 1 == voxels
    assert int((~shapes.last).sum()) + len(layers) == voxels


@pytest.mark.parametrize("order", [None, [0, 1], [1, 0]])
def test_every_energy_is_the_sum_of_its_pieces(order: list[int] | None) -> None:
    tree = EnergyTree([[1, 2], [3, 2]], order)
    x = torch.rand(50, 8, dtype=torch.float64) * (torch.rand(50, 8) > 0.4)
    found = tree.split(x)
    nodes = found.energies[:, : tree.nodes]
    sums = torch.zeros_like(found.energies).index_add(1, tree.parent, nodes)
    parents = tree.parent.unique()
    assert torch.allclose(sums[:, parents], found.energies[:, parents])
    assert torch.equal(found.energies[:, tree.voxel_nodes], x)
    assert torch.allclose(found.energies[:, tree.nodes : -1], tree.root_energies(x))
    assert torch.allclose(tree.root_energies(x).sum(dim=1), x.sum(dim=1))
    assert (found.energies[:, -1] == 0).all()


def test_pieces_of_one_shower_by_hand() -> None:
    tree = EnergyTree([[1, 2], [3, 1]], [1, 0])
    found = tree.split(torch.tensor([[0.0, 4.0, 1.0, 0.0, 2.0]]))
    layers, rings, angles = slice(0, 2), slice(2, 5), slice(5, 8)
    assert found.energies[0].tolist() == [3, 4, 0, 4, 3, 1, 0, 2, 7, 0]
    assert found.before[0, layers].tolist() == [7, 4]
    assert found.choice[0, layers].tolist() == [PART, REST]
    assert found.choice[0, rings].tolist() == [MISS, REST, REST]
    assert found.choice[0, angles].tolist() == [PART, MISS, REST]
    assert found.before[0, angles].tolist() == [3, 2, 2]


@pytest.mark.parametrize("name", GEOMETRIES)
def test_neighbours_are_known_before(name: str) -> None:
    layers, _ = GEOMETRIES[name]
    for tree in (EnergyTree(layers, list(reversed(range(len(layers))))), EnergyTree(layers, None)):
        known = (tree.neighbours < torch.arange(tree.nodes)[:, None]) | (tree.neighbours >= tree.nodes)
        assert known.all()
        assert ((tree.parent < torch.arange(tree.nodes)) | (tree.parent >= tree.nodes)).all()
        assert (tree.neighbours != tree.slots - 1).any(dim=1).all()


def test_symmetries_keep_layers_and_rings() -> None:
    tree = EnergyTree([[1, 3], [10, 2], [5, 4]], None)
    orders = tree.symmetries()
    assert len(orders) == 2 * 5
    assert len({tuple(order.tolist()) for order in orders}) == 10
    x = torch.rand(1, tree.voxels, dtype=torch.float64)
    rings = tree.split(x).energies[:, :9]
    for order in orders:
        assert sorted(order.tolist()) == list(range(tree.voxels))
        assert torch.allclose(tree.split(x[:, order]).energies[:, :9], rings)


def test_a_rotation_turns_all_layers_by_one_angle() -> None:
    tree = EnergyTree([[4, 1], [8, 1]], None)
    x = torch.zeros(1, 12)
    x[0, 1], x[0, 4 + 2] = 1, 1  # both a quarter turn from the start
    for order in tree.symmetries()[:4]:
        first, second = (int(part.argmax()) for part in torch.split(x[0, order], [4, 8]))
        assert second == 2 * first


@pytest.mark.parametrize("layers", [[], [[1, 0]], [[3]], [[2.0, 1]]])
def test_no_layers_are_refused(layers: list[list[int]]) -> None:
    with pytest.raises(HyperparameterError, match="angles and rings"):
        EnergyTree(layers, None)


def test_an_order_names_every_layer_once() -> None:
    with pytest.raises(HyperparameterError, match="order"):
        EnergyTree([[1, 2], [1, 2]], [0, 0])
