"""Compiled splines as functions of torch: every kind of derivative, and vmap."""

from __future__ import annotations

import pytest
import torch

from generators.errors import ShapeError
from generators.flows import fused
from generators.flows.composed_spline import MINIMUM, composed

BOUND = 2.0


def arguments(n: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = 3.0 * torch.rand(n, generator=generator, dtype=torch.float64) - 1.5
    return x.requires_grad_(), torch.randn(11, n, generator=generator, dtype=torch.float64).requires_grad_()


def forward(x: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return fused.forward(x, p, BOUND, MINIMUM)


def inverse(y: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return fused.inverse(y, p, BOUND, MINIMUM)


@pytest.mark.parametrize("function", [forward, inverse])
def test_first_and_second_derivatives_are_those_of_differences(function: object) -> None:
    assert torch.autograd.gradcheck(function, arguments())  # type: ignore[arg-type]
    assert torch.autograd.gradgradcheck(function, arguments(2))  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_forward_derivatives_and_vmap_agree_with_the_chain_of_operations() -> None:
    x, p = (a.detach() for a in arguments(6))
    tangent = torch.ones_like(x), 0.1 * torch.ones_like(p)
    ours = torch.func.jvp(forward, (x, p), tangent)
    theirs = torch.func.jvp(lambda x, p: composed(x, p, bound=BOUND), (x, p), tangent)
    for a, b in zip([*ours[0], *ours[1]], [*theirs[0], *theirs[1]], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
    many = torch.stack([x, 0.5 * x])
    batched = torch.vmap(forward, in_dims=(0, None))(many, p)
    torch.testing.assert_close(batched[0], torch.stack([forward(row, p)[0] for row in many]))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="3 bins"), torch.no_grad():
        fused.forward(torch.zeros(3), torch.zeros(11, 4), BOUND, MINIMUM)
    with pytest.raises(ShapeError, match="3 bins"), torch.no_grad():
        fused.forward(torch.zeros(4), torch.zeros(12, 4), BOUND, MINIMUM)
