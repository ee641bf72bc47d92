"""What becomes of images on the way to a critic."""

from __future__ import annotations

import pytest
import torch

from generators.adversarial.augmentation import augmented, colour, cutout, require_augmentations, translation
from generators.errors import HyperparameterError


def test_translation_moves_a_pixel_by_an_eighth_at_most_and_brings_nothing_in() -> None:
    torch.manual_seed(1)
    x = torch.full((500, 16, 32), -1.0)
    x[:, 8, 16] = 0.5
    moved = translation(x)
    place = (moved == 0.5).nonzero()
    assert len(place) == 500
    assert set((place[:, 1] - 8).tolist()) == set(range(-2, 3))
    assert set((place[:, 2] - 16).tolist()) == set(range(-4, 5))
    full = translation(torch.ones(200, 16, 32))
    assert set(full.unique().tolist()) == {-1.0, 1.0}
    assert float((full == 1).float().mean()) == pytest.approx((1 - 1.2 / 16) * (1 - 20 / 9 / 32), abs=0.01)


def test_cutout_empties_a_rectangle_of_half_the_size() -> None:
    torch.manual_seed(2)
    x = torch.ones(400, 16, 32)
    empty = cutout(x) == -1
    rows, columns = empty.any(dim=2).sum(dim=1), empty.any(dim=1).sum(dim=1)
    assert torch.equal(empty.sum(dim=(1, 2)), rows * columns)
    assert int(rows.max()) == 8
    assert int(columns.max()) == 16


def test_colour_is_linear_in_every_image() -> None:
    torch.manual_seed(3)
    x = torch.rand(300, 4, 4)
    y = colour(x)
    slope = (y[:, 0, 1] - y[:, 0, 0]) / (x[:, 0, 1] - x[:, 0, 0])
    assert 0.49 < float(slope.min()) < 0.55
    assert 1.45 < float(slope.max()) < 1.51
    shift = (y - x).mean(dim=(1, 2))
    assert float(shift.abs().max()) <= 0.5


def test_names_and_shapes() -> None:
    x = torch.rand(2, 3, 4, 8, requires_grad=True)
    assert augmented(x, ()) is not None
    out = augmented(x, ("colour", "translation", "cutout"))
    assert out.shape == x.shape
    out.sum().backward()
    assert x.grad is not None
    require_augmentations(["cutout"])
    with pytest.raises(HyperparameterError, match="'flip' is not one of"):
        require_augmentations(["flip"])
