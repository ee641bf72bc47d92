"""In which precision a fitted network computes."""

from __future__ import annotations

import torch
from torch import nn

from generators.conditional_network import device_of
from generators.training.acceleration import doubles_are_cheap


def settled_precision(network: nn.Module) -> torch.dtype:
    """The precision of a fitted network, for good: double, or single on a GPU where double costs 32 times as much.

    A network that has it already is not touched: while torch records a graph of it, nothing about it may change.
    """
    if not doubles_are_cheap(device_of(network)):
        return next((parameter.dtype for parameter in network.parameters()), torch.float32)
    if any(parameter.dtype != torch.float64 for parameter in network.parameters()):
        network.double()
    return torch.float64
