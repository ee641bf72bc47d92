"""Convolutions with weights of their own at every place: as a loop makes them, and equal ones a convolution."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from generators.networks.locally_connected import LocallyConnected


def made(stride: tuple[int, int], padding: tuple[int, int]) -> LocallyConnected:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return LocallyConnected(2, 3, (2, 3), (4, 6), stride=stride, padding=padding)


@pytest.mark.parametrize(("stride", "padding"), [((1, 1), (0, 0)), ((1, 2), (1, 1))])
def test_every_place_has_its_weights(stride: tuple[int, int], padding: tuple[int, int]) -> None:
    local = made(stride, padding)
    x = torch.randn(5, 2, 4, 6, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found, padded = local(x), functional.pad(x, (padding[1], padding[1], padding[0], padding[0]))
        rows, columns = local.size
        assert found.shape == (5, 3, rows, columns)
        for place in range(rows * columns):
            row, column = place // columns * stride[0], place % columns * stride[1]
            seen = padded[:, :, row : row + 2, column : column + 3].reshape(5, -1)
            due = seen @ local.weight[place]
            assert torch.allclose(found[:, :, place // columns, place % columns], due, atol=1e-6)


def test_equal_weights_are_a_convolution() -> None:
    local = made((1, 1), (1, 1))
    x = torch.randn(5, 2, 4, 6, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        local.weight.copy_(local.weight[:1].expand_as(local.weight))
        due = functional.conv2d(x, local.weight[0].T.reshape(3, 2, 2, 3), padding=(1, 1))
        assert torch.allclose(local(x), due, atol=1e-5)


def test_no_images_are_fine() -> None:
    assert made((1, 1), (0, 0))(torch.zeros(0, 2, 4, 6)).shape == (0, 3, 3, 4)
