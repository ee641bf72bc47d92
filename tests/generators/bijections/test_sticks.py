"""Sums broken into pieces: nothing is lost, and the determinant is that of the derivatives."""

from __future__ import annotations

import pytest
import torch

from generators.bijections.sticks import pieces, shares


def test_pieces_come_back_and_add_up() -> None:
    x = torch.rand(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.01
    total, share, _ = shares(x)
    torch.testing.assert_close(total[:, 0], x.sum(dim=1))
    assert ((share > 0) & (share < 1)).all()
    torch.testing.assert_close(pieces(total, share), x)


def test_the_determinant_is_that_of_the_derivatives() -> None:
    x = torch.rand(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.1

    def flat(row: torch.Tensor) -> torch.Tensor:
        total, share, _ = shares(row[None])
        return torch.cat([total, share], dim=1)[0]

    expected = torch.stack([torch.linalg.slogdet(torch.autograd.functional.jacobian(flat, row))[1] for row in x])
    torch.testing.assert_close(shares(x)[2], expected)


def test_empty_pieces_and_impossible_ones() -> None:
    x = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 3.0], [1.0, -1.0, 1.0]], dtype=torch.float64)
    total, share, log_det = shares(x)
    assert share[0].tolist() == [1.0, 0.0]
    assert share[1].tolist() == [0.0, 0.0]
    torch.testing.assert_close(pieces(total, share)[:2], x[:2])
    assert float(log_det[2]) == -torch.inf


@pytest.mark.parametrize("wrong", [-0.5, 1.5])
def test_shares_outside_are_cut(wrong: float) -> None:
    made = pieces(torch.ones(1, 1), torch.tensor([[wrong]]))
    assert (made >= 0).all()
    assert float(made.sum()) == pytest.approx(1.0)
