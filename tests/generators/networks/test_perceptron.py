"""A perceptron of events and context."""

from __future__ import annotations

import torch
from torch import nn

from generators.networks.perceptron import Perceptron


def test_sizes_and_what_it_depends_on() -> None:
    torch.manual_seed(0)
    network = Perceptron(3, 2, 4, hidden=5, layers=2, activation=nn.Tanh)
    # (3 + 2) 5 + 5, then 5 · 5 + 5, then 5 · 4 + 4.
    assert sum(p.numel() for p in network.parameters()) == 30 + 30 + 24
    x, c = torch.randn(6, 3), torch.randn(6, 2)
    out = network(x, c)
    assert out.shape == (6, 4)
    torch.testing.assert_close(network(x[2:3], c[2:3]), out[2:3])
    assert not torch.equal(network(x, -c), out)
    assert not torch.equal(network(-x, c), out)
