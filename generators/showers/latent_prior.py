"""The distribution of a latent vector of a shower: couplings with splines."""

from __future__ import annotations

import torch

from generators.flows.coupling import Coupling, transformed_features
from generators.flows.univariate import Univariate
from generators.networks.mlp import ParameterMLP
from generators.tabular.composed import ComposedFlow


def latent_prior(
    latent: int, context: int, univariate: Univariate, *, blocks: int, hidden: int, layers: int
) -> ComposedFlow:
    """A flow of `latent` numbers given a context, of so many couplings with rectified layers of `hidden` units."""
    steps = []
    for number in range(blocks):
        mask = transformed_features(number, latent)
        moved = sum(mask)
        net = ParameterMLP(
            latent - moved,
            context,
            hidden=hidden,
            layers=layers,
            numbers=moved,
            parameters=univariate.parameters,
            activation=torch.relu,
        )
        steps.append(Coupling(mask, net, univariate))
    return ComposedFlow(latent, steps)
