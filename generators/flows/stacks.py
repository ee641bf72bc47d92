"""Blocks of transforms with networks of one size, as the flows of this package put them one after another."""

from __future__ import annotations

import torch
from nflows.transforms.base import Transform
from torch import nn
from torch.nn import functional

from generators.flows.autoregressive import Autoregressive
from generators.flows.coupling import Coupling, transformed_features
from generators.flows.univariate import Univariate
from generators.networks.made import MADE
from generators.networks.mlp import ParameterMLP


def autoregressive_stack(
    univariate: Univariate, features: int, context: int, *, blocks: int, hidden: int, layers: int
) -> list[Transform]:
    """`blocks` autoregressive transforms, every other one in the reverse order of features."""
    out: list[Transform] = []
    for block in range(blocks):
        net = MADE(
            features,
            hidden,
            context or None,
            num_blocks=layers - 1,
            output_multiplier=univariate.parameters,
            use_residual_blocks=False,
            activation=functional.silu,
            see_context=True,
            reverse=block % 2 == 1,
        )
        _start_near_zero(net.final_layer)
        out.append(Autoregressive(net, univariate))
    return out


def coupling_stack(
    univariate: Univariate, features: int, context: int, *, blocks: int, hidden: int, layers: int
) -> list[Transform]:
    """`blocks` coupling transforms with the halves of `transformed_features`."""
    out: list[Transform] = []
    for block in range(blocks):
        mask = transformed_features(block, features)
        net = ParameterMLP(
            features - sum(mask),
            context,
            hidden=hidden,
            layers=layers,
            numbers=sum(mask),
            parameters=univariate.parameters,
            activation=functional.silu,
        )
        out.append(Coupling(mask, net, univariate))
    return out


def _start_near_zero(layer: nn.Linear) -> None:
    """So that all maps start alike."""
    with torch.no_grad():
        layer.weight.mul_(0.1)
        layer.bias.zero_()
