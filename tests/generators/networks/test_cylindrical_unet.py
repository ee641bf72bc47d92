"""The U-Net of a cylinder: cells of every number come back, and what is turned stays the same."""

from __future__ import annotations

import pytest
import torch

from generators.networks.cylindrical_unet import CylindricalConv, CylindricalUNet, around, least_turn

#: Odd and even numbers along every axis, and single ones.
GRIDS = [(1, 1, 1), (1, 4, 1), (2, 3, 1), (5, 10, 7), (4, 6, 2), (3, 16, 9)]


@pytest.mark.parametrize("grid", GRIDS)
def test_turned_cells_give_turned_ones(grid: tuple[int, int, int]) -> None:
    torch.manual_seed(1)
    network = CylindricalUNet(grid, 2, 3, channels=[8, 8, 8, 16]).double()
    x, c, t = torch.randn(2, 2, *grid).double(), torch.randn(2, 3).double(), torch.tensor([0.3, 0.8]).double()
    found, turn = network(x, t, c), least_turn(grid[1], 3)
    assert found.shape == (2, 1, *grid)
    torch.testing.assert_close(network(x.roll(turn, dims=3), t, c), found.roll(turn, dims=3))
    assert not torch.allclose(network(x, t.flip(0), c), found)
    assert not torch.allclose(network(x, t, c.flip(0)), found)


def test_least_turns() -> None:
    assert [least_turn(angles, 3) for angles in (1, 5, 10, 12, 16, 50)] == [1, 1, 2, 4, 4, 2]


def test_a_convolution_sees_the_other_side_and_no_end() -> None:
    """The neighbours of angle 0 are 1 and the last one; the first layer and ring have none before them."""
    convolution = CylindricalConv(1, 1)
    with torch.no_grad():
        convolution.convolution.weight.fill_(1)
        convolution.convolution.bias.fill_(0)  # type: ignore[union-attr]
        x = torch.zeros(1, 1, 3, 5, 4)
        x[0, 0, 0, 0, 0] = 1
        found = convolution(x)[0, 0] > 0
    assert found[0, :, 0].tolist() == [True, True, False, False, True]
    assert found[:, 0, 0].tolist() == [True, True, False]
    assert found[0, 0].tolist() == [True, True, False, False]


def test_more_angles_than_there_are() -> None:
    x = torch.arange(2.0)[None, None, None, :, None]
    assert around(x, 3, 2).flatten().tolist() == [1, 0, 1, 0, 1, 0, 1]


def test_no_context_is_none() -> None:
    network = CylindricalUNet((2, 2, 2), 1, 0, channels=[8, 8])
    assert network(torch.randn(3, 1, 2, 2, 2), torch.tensor(0.5), torch.zeros(3, 0)).shape == (3, 1, 2, 2, 2)
