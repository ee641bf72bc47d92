"""Deep residual networks of images: sizes, ways around, and what is of no effect at first."""

from __future__ import annotations

import torch
from torch.nn import functional

from generators.networks.deep_biggan import CriticBlock, ImageEye, ImageMaker, MakerBlock, PixelAttention, blocks_of


def silenced(block: torch.nn.Module) -> torch.nn.Module:
    """The same without its last convolution."""
    torch.nn.init.zeros_(block.layers[-1].weight)  # type: ignore[union-attr, index]
    torch.nn.init.zeros_(block.layers[-1].bias)  # type: ignore[union-attr, index]
    return block


def test_ways_around_leave_out_and_add_channels_and_change_sizes() -> None:
    torch.manual_seed(1)
    x, y = torch.randn(5, 8, 4, 6), torch.randn(5, 3)
    rising = silenced(MakerBlock(8, 4, 3, up=True))(x, y)
    assert torch.equal(rising, functional.interpolate(x[:, :4], scale_factor=2))
    assert torch.equal(silenced(MakerBlock(8, 8, 3, up=False))(x, y), x)
    falling = silenced(CriticBlock(8, 12, down=True))(x)
    assert torch.equal(falling[:, :8], functional.avg_pool2d(x, 2))
    assert falling.shape == (5, 12, 2, 3)
    assert torch.equal(silenced(CriticBlock(8, 8, down=False))(x), x)


def test_images_follow_their_vectors_and_not_each_other_outside_of_training() -> None:
    torch.manual_seed(2)
    maker = ImageMaker(6, [16, 8, 4], (2, 3), attention=1)
    y = torch.randn(7, 6)
    maker.requires_grad_(False)
    assert float(maker(y).abs().max()) <= 1
    maker.eval()
    whole = maker(y)
    assert whole.shape == (7, 1, 8, 12)
    torch.testing.assert_close(maker(y[2:4]), whole[2:4], atol=1e-5, rtol=1e-4)
    assert float((whole[0] - whole[1]).abs().max()) > 1e-3


def test_the_sum_over_an_image_counts_what_is_there_twice() -> None:
    """Two images beside each other, far enough from the seam, are seen as the sum of both."""
    torch.manual_seed(3)
    eye = ImageEye([4, 8, 8]).double()
    x = torch.full((1, 1, 32, 128), -1.0, dtype=torch.float64)
    empty = eye(x)
    one, two = x.clone(), x.clone()
    one[..., 16, 40] = 1.0
    two[..., 16, [40, 88]] = 1.0
    torch.testing.assert_close(eye(two) - empty, 2 * (eye(one) - empty), atol=1e-10, rtol=1e-8)


def test_attention_begins_without_effect_and_is_a_mean_of_values() -> None:
    torch.manual_seed(4)
    layer, x = PixelAttention(8), torch.randn(2, 8, 4, 6)
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.strength.fill_(1.0)
        torch.nn.init.zeros_(layer.query.weight)
        pooled = functional.max_pool2d(layer.value(x), 2).mean(dim=(2, 3), keepdim=True)
        due = x + layer.leave(pooled.expand(-1, -1, 4, 6))
    torch.testing.assert_close(layer(x), due, atol=1e-5, rtol=1e-4)


def test_with_a_fold_blocks_of_pixels_are_made_and_seen_at_once() -> None:
    torch.manual_seed(5)
    maker = ImageMaker(6, [8, 4], (2, 3), fold=2).requires_grad_(False)
    assert maker(torch.randn(3, 6)).shape == (3, 1, 8, 12)
    eye = ImageEye([4, 8], fold=2).requires_grad_(False)
    assert torch.equal(eye(torch.zeros(1, 1, 16, 16)), torch.zeros(1, 8))
    x = torch.zeros(4, 1, 16, 16)
    for place, image in enumerate(x):
        image[0, 6 + place // 2, 6 + place % 2] = 1.0
    assert len(eye(x).unique(dim=0)) == 4  # each pixel of a block is told from the others


def test_noise_of_a_pixel_changes_images_near_it_alone() -> None:
    torch.manual_seed(6)
    maker = ImageMaker(6, [16, 8, 4], (4, 6), fold=2, grain=2).eval().requires_grad_(False)
    y, grain = torch.randn(1, 6), torch.randn(1, 1, 32, 48)
    other = grain.clone()
    other[..., 16, 24] += 3
    changed = (maker(y, other) - maker(y, grain)).abs()[0, 0] > 1e-7
    rows, columns = changed.nonzero().T
    assert 0 < len(rows) < 32 * 48 / 2
    assert rows.min() >= 4
    assert columns.max() <= 44
    last = ImageMaker(6, [16, 8, 4], (4, 6), fold=2, grain=1).eval().requires_grad_(False)
    changed = (last(y, other) - last(y, grain)).abs()[0, 0] > 1e-7
    assert 0 < changed.sum() <= 100  # two convolutions of 3 × 3 blocks of 2 × 2


def test_blocks_are_those_of_torch_and_of_no_images_none() -> None:
    x = torch.randn(3, 1, 4, 6)
    assert torch.equal(blocks_of(x, 2), functional.pixel_unshuffle(x, 2))
    assert blocks_of(x[:0], 2).shape == (0, 4, 2, 3)
