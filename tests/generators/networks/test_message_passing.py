"""Messages between points, beside loops over all pairs."""

from __future__ import annotations

import torch
from torch.nn import functional

from generators.networks.message_passing import SLOPE, MessagePassing


def test_is_the_sum_over_pairs_of_points_that_are_present() -> None:
    torch.manual_seed(1)
    layer = MessagePassing(3, 2, 4, edges=[5, 6], nodes=[7]).double()
    h, c = torch.randn(2, 4, 3).double(), torch.randn(2, 2).double()
    n = (2, 4)
    mask = torch.arange(4) < torch.tensor(n)[:, None]
    out = layer(h, mask, c)
    for cloud in range(2):
        for i in range(n[cloud]):
            told = torch.zeros(6).double()
            for j in range(n[cloud]):
                both = torch.cat([h[cloud, i], h[cloud, j], c[cloud]])
                first = functional.leaky_relu(layer.first.weight @ both + layer.first.bias, SLOPE)
                told += functional.leaky_relu(layer.edges[0](first), SLOPE)
            taken = layer.enter.weight @ torch.cat([told, h[cloud, i], c[cloud]]) + layer.enter.bias
            due = layer.nodes[0](functional.leaky_relu(taken, SLOPE))
            torch.testing.assert_close(out[cloud, i], due)
