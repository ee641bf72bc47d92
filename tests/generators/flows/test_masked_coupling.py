"""Couplings with absent numbers: a bijection of those that are there, whichever they are."""

from __future__ import annotations

import pytest
import torch

from generators.flows.masked_coupling import MaskedCoupling
from generators.flows.rational_quadratic import RationalQuadratic


@pytest.fixture
def coupling() -> MaskedCoupling:
    torch.manual_seed(1)
    made = MaskedCoupling(5, 2, RationalQuadratic(4, 3.0), hidden=8, layers=2).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return made


PRESENT = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]).bool()


def test_there_and_back(coupling: MaskedCoupling) -> None:
    x, c = torch.randn(4, 5).double() * PRESENT, torch.randn(4, 2).double()
    y, there = coupling(x, PRESENT, c)
    again, back = coupling.inverse(y, PRESENT, c)
    torch.testing.assert_close(again, x)
    torch.testing.assert_close(back, -there)
    assert bool((y[~PRESENT] == 0).all())
    assert bool((y != x).any())


def test_log_det_is_that_of_the_jacobian_of_what_is_there(coupling: MaskedCoupling) -> None:
    for present in PRESENT[:3]:
        x, c = torch.randn(5).double() * present, torch.randn(1, 2).double()
        jacobian = torch.autograd.functional.jacobian(
            lambda row, c=c, present=present: coupling(row[None], present[None], c)[0][0], x
        )
        inner = jacobian[present][:, present]  # type: ignore[index, call-overload]
        _, log_det = coupling(x[None], present[None], c)
        torch.testing.assert_close(torch.linalg.slogdet(inner).logabsdet, log_det[0])


def test_halves_are_drawn_and_kept(coupling: MaskedCoupling) -> None:
    other = MaskedCoupling(5, 2, RationalQuadratic(4, 3.0), hidden=8, layers=2).double()
    other.load_state_dict(coupling.state_dict())
    assert torch.equal(other.moved, coupling.moved)
    assert sorted([*coupling.moved.tolist(), *coupling.given.tolist()]) == list(range(5))
    x, c = torch.randn(4, 5).double(), torch.randn(4, 2).double()
    torch.testing.assert_close(other(x, PRESENT, c), coupling(x, PRESENT, c))
