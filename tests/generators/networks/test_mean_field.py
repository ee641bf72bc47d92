"""The mean field of a cloud and layers whose rows have length one."""

from __future__ import annotations

import torch

from generators.networks.mean_field import DirectionLinear, MeanFieldBlock, asked_once
from generators.networks.transformer import Attention, attention_mask


def test_rows_have_length_one_whatever_the_parameters_are() -> None:
    layer = DirectionLinear(4, 3)
    x = torch.randn(50, 4)
    before = layer(x)
    with torch.no_grad():
        layer.direction.mul_(17)
    torch.testing.assert_close(layer(x), before)
    assert (before.abs() <= x.norm(dim=1, keepdim=True) * (1 + 1e-5)).all()


def test_absent_points_are_not_asked() -> None:
    torch.manual_seed(1)
    for bounded in (False, True):
        block = MeanFieldBlock(4, 6, 2, 1, bounded=bounded)
        x, field, cloud = torch.randn(3, 5, 4), torch.randn(3, 4), torch.randn(3, 1)
        mask = torch.arange(5) < torch.tensor([2, 3, 5])[:, None]
        points, mean = block(x, field, mask, cloud)
        other = torch.where(mask[..., None], x, 100.0)
        points_too, mean_too = block(other, field, mask, cloud)
        torch.testing.assert_close(mean, mean_too)
        torch.testing.assert_close(points[mask], points_too[mask])


def test_one_query_is_answered_as_by_attention() -> None:
    torch.manual_seed(2)
    attention = Attention(6, 3).double()
    query, points = torch.randn(4, 6).double(), torch.randn(4, 5, 6).double()
    mask = torch.arange(5) < torch.tensor([0, 1, 3, 5])[:, None]
    due = attention(query[:, None], points, attention_mask(mask))[:, 0]
    torch.testing.assert_close(asked_once(attention, query, points, mask), due)
