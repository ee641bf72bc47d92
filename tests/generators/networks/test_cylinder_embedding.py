"""Maps from layers of different cells to one grid: shares of area as another program finds them, and back."""

from __future__ import annotations

import numpy as np
import torch

from analysis.showers import geometry
from analysis.showers.layered import Geometry
from analysis.showers.layers import PolarLayer
from analysis.showers.shared_area import common_rings, overlap
from generators.networks.cylinder_embedding import CylinderEmbedding, common_edges


def test_equal_rings_are_left_alone() -> None:
    layers, edges = [[3, 2], [3, 2]], [[0.0, 1.0, 2.5]] * 2
    made, x = CylinderEmbedding(layers, edges), torch.randn(4, 12)
    assert all(torch.equal(spread, torch.eye(2)) for spread in made.spread)
    torch.testing.assert_close(made(x), x.reshape(4, 2, 3, 2), rtol=0, atol=0)
    torch.testing.assert_close(made.back(made(x)), x, rtol=0, atol=1e-6)


def test_shares_of_area_are_those_of_the_geometry() -> None:
    """Beside the sparse matrices by which binnings of a detector are compared."""
    known = geometry("ds1-photons")
    own = [layer for layer in known.layers if isinstance(layer, PolarLayer)]
    common = common_rings(known)
    assert common_edges([layer.radii for layer in own]) == list(common)
    target = Geometry("grid", tuple(PolarLayer(layer.id, common, 10) for layer in own), "photon", 1e-3)
    made = CylinderEmbedding([list(layer.shape) for layer in own], [layer.radii for layer in own])
    assert made.grid == (5, 10, 30)
    x = np.random.default_rng(1).exponential(size=(6, known.voxels))
    due = (overlap(known, target) @ x.T).T.reshape(6, 5, 10, 30)
    found = made(torch.as_tensor(x)).detach().numpy()
    np.testing.assert_allclose(found, due, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(made.back(torch.as_tensor(found)).detach().numpy(), x, rtol=1e-4, atol=1e-5)


def test_layers_with_fewer_angles_share_those_of_the_grid() -> None:
    made = CylinderEmbedding([[2, 1], [4, 1], [1, 1]], [[0.0, 1.0]] * 3)
    found = made(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]]))[0, :, :, 0]
    assert found.tolist() == [[0.5, 0.5, 1, 1], [3, 4, 5, 6], [2, 2, 2, 2]]


def test_both_maps_are_learned() -> None:
    made = CylinderEmbedding([[1, 2], [2, 1]], [[0.0, 1.0, 2.0], [0.0, 2.0]])
    made.back(made(torch.randn(3, 4))).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in made.parameters())
    assert sum(parameter.numel() for parameter in made.parameters()) == 2 * (2 * 2 + 2 * 1)
