"""The U-Net of a layer: its angles go round, its outer ring has an end, and any grid fits."""

from __future__ import annotations

import pytest
import torch

from generators.networks.image_unet import CircularConv, ImageUNet


def test_a_turned_layer_gives_a_turned_image() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        convolution = CircularConv(2, 3)
    x = torch.randn(4, 2, 6, 5, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(convolution(x.roll(2, dims=2)), convolution(x).roll(2, dims=2), atol=1e-6)
    assert not torch.allclose(convolution(x.roll(2, dims=3)), convolution(x).roll(2, dims=3), atol=1e-3)


@pytest.mark.parametrize("grid", [(1, 4), (5, 8), (7, 3)])
def test_any_grid_comes_back_and_nothing_at_first(grid: tuple[int, int]) -> None:
    network = ImageUNet(3, 5, hidden=4, strides=[[5, 3], [5, 3]])
    out = network(torch.randn(2, 3, *grid))
    assert out.shape == (2, 5, *grid)
    assert float(out.detach().abs().max()) == 0
