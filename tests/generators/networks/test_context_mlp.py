"""Parameters that follow the context, near where they are told to start."""

from __future__ import annotations

import torch

from generators.networks.context_mlp import ContextMLP, bounded

START = torch.tensor([1.0, -2.0, 0.5])


def test_without_context_they_are_constants_that_are_learned() -> None:
    network = ContextMLP(0, START, hidden=8, layers=2)
    torch.testing.assert_close(network(None, 4), START.expand(4, 3))
    assert [tuple(p.shape) for p in network.parameters()] == [(3,)]


def test_with_context_they_start_near_and_differ_by_row() -> None:
    torch.manual_seed(0)
    network = ContextMLP(2, START, hidden=8, layers=2)
    out = network(torch.randn(50, 2), 50)
    assert float((out - START).detach().abs().max()) < 0.3
    assert len(out.unique(dim=0)) == 50


def test_bounded_is_nearly_the_same_where_small_and_never_beyond() -> None:
    raw = torch.tensor([-1e6, -0.01, 0.0, 0.01, 1e6], dtype=torch.float64)
    out = bounded(raw, 3.0)
    assert out.abs().max() <= 3
    torch.testing.assert_close(out[1:4], raw[1:4], rtol=1e-4, atol=0)
