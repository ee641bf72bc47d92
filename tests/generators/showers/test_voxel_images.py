"""Images of layers: energies that are given are kept, also where nothing shines."""

from __future__ import annotations

import torch

from generators.showers.voxel_images import Images, shared


def test_given_layers_share_their_energies() -> None:
    images = Images(((1, 2), (2, 2)), 3, 0, given=True)
    c = torch.tensor([[0.0, 0.1, 0.2, 50.0, 6.0, 0.0], [0.0, 0.1, 0.2, 20.0, 1.0, 8.0]])
    y = torch.tensor([[1.0, 3.0, 1.0, 1.0, 1.0, 1.0], [-1.0, -1.0, -5.0, 2.0, 2.0, 0.0]], requires_grad=True)
    made = images.lit(y, c, 7.0)
    assert made.tolist() == [[1.5, 4.5, 0, 0, 0, 0], [0.5, 0.5, 0, 4, 4, 0]]
    (slope,) = torch.autograd.grad(made[1, 0], y)
    assert float(slope[1, 0]) > 0


def test_free_layers_have_what_is_above_zero_in_units() -> None:
    images = Images(((1, 2),), 2, 1, given=False)
    c = torch.tensor([[0.4, 0.1, 50.0]])
    assert images.lit(torch.tensor([[-1.0, 2.0]]), c, 7.0).tolist() == [[0, 14]]
    assert images.energy(c).tolist() == [[50]]
    assert torch.equal(images.others(c), torch.tensor([[0.4]]))
    assert [image.shape for image in images.split(torch.ones(3, 2))] == [(3, 1, 2)]
    assert shared(torch.tensor([[-1.0, -1.0]]), torch.tensor([[4.0]])).tolist() == [[2, 2]]
