"""Whether the loss that a network is trained by is minus its log-density, which some trainings build on."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from generators.errors import HyperparameterError
from generators.training.batches import TrainingData

#: Rows that are looked at.
_ROWS = 16


def require_likelihood_loss(network: nn.Module, kind: str, data: TrainingData) -> None:
    """Refuse a network whose loss is something else, such as a squared error; it is asked about the first of the data.

    Flow matching and diffusion know their density, but are not trained by it: their loss in the place of −ln p would
    give a number, and a wrong one. Nothing of the network or of the random numbers of the caller changes.

    Raises
    ------
    HyperparameterError
        Names the kind, and what to take.
    """
    few = data.batch(slice(0, _ROWS))
    z, c = few.x.double(), few.context.double()
    # In double precision, as densities are asked for.
    copied: Any = copy.deepcopy(network).double().eval()
    same = hasattr(copied, "log_density")
    if same:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            same = torch.allclose(copied(z, c).double(), -copied.log_density(z, c).double(), rtol=1e-3, atol=1e-3)
    if not same:
        raise HyperparameterError(
            f"'{kind}' is not trained by its likelihood, which is needed here; take a flow or a mixture, such as "
            "gaussian_mixture or coupling_spline."
        )
