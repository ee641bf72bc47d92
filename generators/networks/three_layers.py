"""Perceptrons of three layers of a size of their own, of which the networks of trees are made."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import parametrizations

#: Slope of the leaky rectifiers.
SLOPE = 0.1


def three_layers(
    inputs: int,
    outputs: int,
    *,
    hidden: int,
    bias: bool = False,
    linear: bool = True,
    normed: bool = True,
    spectral: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """(…, inputs) -> (…, outputs) through two layers of `hidden`; without `linear` the last has a rectifier too.

    With `normed` every rectifier has the norm of its row in front of it (Ba et al., 1607.06450) and no parameters.
    Published trees (2311.12616) have there the mean and width of the batch, when they generate too, so that a jet
    depends on those that are made with it. With `spectral` the matrices are divided by their largest singular values.
    """
    sizes = (inputs, hidden, hidden, outputs)
    parts: list[nn.Module] = []
    for place in range(3):
        layer: nn.Module = nn.Linear(sizes[place], sizes[place + 1], bias=bias)
        parts.append(parametrizations.spectral_norm(layer) if spectral else layer)
        if place == 2 and linear:
            break
        if dropout:
            parts.append(nn.Dropout(dropout))
        if normed:
            parts.append(nn.LayerNorm(sizes[place + 1], elementwise_affine=False))
        parts.append(nn.LeakyReLU(SLOPE))
    return nn.Sequential(*parts)
