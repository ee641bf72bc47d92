"""In which precision a fitted network computes."""

from __future__ import annotations

import torch
from torch import nn


def in_double_precision(network: nn.Module) -> None:
    """Let a network compute in double precision for good.

    One that does already is not touched: while torch records a graph of it, nothing about it may change.
    """
    if any(parameter.dtype != torch.float64 for parameter in network.parameters()):
        network.double()
