"""Rows inside of an interval get the mixture of both ends, and any further column of the context stays."""

from __future__ import annotations

import torch

from generators.continuous.between import BetweenContexts


class Product(torch.nn.Module):
    """A field of all columns of the context."""

    def forward(self, x: torch.Tensor, t: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return (c[:, 0] ** 3 * c[:, 1] * t)[:, None, None].expand_as(x)


def test_events_of_any_shape_and_other_columns() -> None:
    field = BetweenContexts(Product(), torch.tensor([0.0]), torch.tensor([2.0]))
    c = torch.tensor([[0.5, 3.0], [2.0, 3.0], [-1.0, 2.0]])
    found = field(torch.zeros(3, 4, 2), torch.tensor(0.5), c)
    assert found.shape == (3, 4, 2)
    # Inside: a quarter of the way from 0 to 8; at an end and outside: the cube itself.
    assert torch.allclose(found[:, 0, 0], torch.tensor([0.25 * 8 * 3 * 0.5, 8 * 3 * 0.5, -1.0]))
