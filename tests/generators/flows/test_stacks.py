"""Blocks one after another: invertible, with the determinant of their derivatives, and in the order they say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.func import jacrev

from generators.flows.stacks import autoregressive_stack, coupling_stack
from generators.flows.univariate import Affine

STACKS = {"autoregressive": autoregressive_stack, "coupling": coupling_stack}


def made(name: str) -> list[Any]:
    torch.manual_seed(3)
    blocks = STACKS[name](Affine(), 3, 2, blocks=3, hidden=8, layers=2)
    for block in blocks:
        for parameter in block.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    return [block.double() for block in blocks]


@pytest.mark.parametrize("name", STACKS)
def test_the_determinant_is_that_of_the_derivatives_and_the_way_back_leads_back(name: str) -> None:
    x, c = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    for block in made(name):
        z, log_det = block(x, c)
        jacobians = [jacrev(lambda row, i=i: block(row[None], c[i : i + 1])[0][0])(x[i]) for i in range(5)]  # type: ignore[misc]  # noqa: B023
        expected = torch.stack([torch.linalg.slogdet(jacobian)[1] for jacobian in jacobians])
        torch.testing.assert_close(log_det, expected)
        torch.testing.assert_close(block.inverse(z, c)[0], x)


def test_every_other_block_has_the_reverse_order_of_features() -> None:
    for number, block in enumerate(made("autoregressive")):
        x, c = torch.randn(1, 3, dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64)
        depends = jacrev(lambda row: block(row[None], c)[0][0])(x[0]) != 0  # noqa: B023
        triangle = depends.triu(1) if number % 2 == 0 else depends.tril(-1)
        assert not triangle.any()


def test_all_maps_start_close_to_the_identity() -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 3)
    for block in autoregressive_stack(Affine(), 3, 0, blocks=2, hidden=8, layers=2):
        assert float((block(x)[0] - x).detach().abs().mean()) < 0.3
