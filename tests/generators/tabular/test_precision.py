"""Double precision for good."""

from __future__ import annotations

import torch
from torch import nn

from generators.tabular.precision import in_double_precision


def test_a_network_in_single_precision_changes_once() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    in_double_precision(network)
    assert {p.dtype for p in network.parameters()} == {torch.float64}
    before = [p.data_ptr() for p in network.parameters()]
    in_double_precision(network)
    assert [p.data_ptr() for p in network.parameters()] == before
