"""Attention through one vector of a cloud: what absent points do, and that of one key nothing was left out."""

from __future__ import annotations

import torch

from generators.networks.induced_attention import Gathered, InducedAttention
from generators.networks.transformer import Attention


def test_absent_points_are_not_asked_and_order_does_not_matter() -> None:
    torch.manual_seed(1)
    for normalised in (False, True):
        block, gather = InducedAttention(4, 2, normalised=normalised, dropout=0.0), Gathered(4, 2)
        x, z = torch.randn(3, 5, 4), torch.randn(3, 4)
        mask = torch.arange(5) < torch.tensor([2, 3, 5])[:, None]
        points, vector = block(x, z, mask)
        other, again = block(torch.where(mask[..., None], x, 100.0), z, mask)
        torch.testing.assert_close(vector, again)
        torch.testing.assert_close(points[mask], other[mask])
        order = torch.tensor([1, 0, 2, 4, 3])
        turned, _ = block(x[:, order], z, mask[:, order])
        torch.testing.assert_close(turned, points[:, order])
        torch.testing.assert_close(gather(points, mask), gather(torch.where(mask[..., None], points, 9.0), mask))


def test_points_that_ask_a_single_key_hear_its_value_whatever_they_ask() -> None:
    torch.manual_seed(2)
    attention = Attention(6, 3)
    points, vector = torch.randn(2, 4, 6), torch.randn(2, 1, 6)
    heard = attention(points, vector, None)
    of_value = attention.offer.weight[6:], attention.offer.bias[6:]
    due = attention.leave(torch.nn.functional.linear(vector, *of_value))
    torch.testing.assert_close(heard, due.expand_as(heard))
