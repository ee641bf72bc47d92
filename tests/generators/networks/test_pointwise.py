"""The networks of CaloClouds: their published sizes, and that points do not know each other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from generators.networks.pointwise import PlainlyTimedPointWise, TimedPointWise

WIDTHS = [128, 256, 512, 256, 128]


def test_published_sizes() -> None:
    with torch.device("meta"):
        first = PlainlyTimedPointWise(4, 256 + 2, widths=WIDTHS)
        second = TimedPointWise(4, 2, widths=WIDTHS, frequencies=64)
    counts = [sum(p.numel() for p in network.parameters()) for network in (first, second)]
    assert counts == [1_001_520, 504_920]


@pytest.mark.parametrize("plain", [True, False])
def test_points_follow_a_permutation_and_are_alone(plain: bool) -> None:
    torch.manual_seed(1)
    network: nn.Module = TimedPointWise(3, 2, widths=[8, 8], frequencies=4)
    if plain:
        network = PlainlyTimedPointWise(3, 2, widths=[8, 8])
    x, c, t = torch.randn(2, 5, 3), torch.randn(2, 2), torch.rand(2)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    order = torch.tensor([3, 0, 4, 1, 2])
    out = network(x, t, c, mask)
    torch.testing.assert_close(network(x[:, order], t, c, mask[:, order]), out[:, order])
    torch.testing.assert_close(network(x[:, :1], t, c, mask[:, :1]), out[:, :1])
    assert out[1, 3:].abs().max() == 0
