"""Mixtures of logistic distributions that end at a bound."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from generators.networks.context_mlp import bounded
from generators.networks.normal_mixture import chosen

#: Parameters of a component: logarithm of its share, location, logarithm of its width.
PARAMETERS = 3

_FARTHEST = 6.0
#: Largest logarithm of a probability, whose quantile is finite in single precision.
_SURE = -1e-6


def split(parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log-shares, locations and logarithms of the widths, each (…, K), of numbers (…, 3 K)."""
    share, location, scale = parameters.reshape(
        *parameters.shape[:-1], parameters.shape[-1] // PARAMETERS, PARAMETERS
    ).unbind(-1)
    return share.log_softmax(dim=-1), location, bounded(scale, _FARTHEST)


def log_prob(x: Tensor, below: Tensor, parameters: Tensor) -> Tensor:
    """Log-density (…) of x (…) ≤ `below` (…), of numbers (…, 3 K)."""
    log_share, location, log_scale = split(parameters)
    away, room = ((at[..., None] - location) * (-log_scale).exp() for at in (x, below))
    each = functional.logsigmoid(away) + functional.logsigmoid(-away) - log_scale
    return torch.logsumexp(log_share + each, dim=-1) - torch.logsumexp(log_share + functional.logsigmoid(room), dim=-1)


def draw(noise: Tensor, below: Tensor, parameters: Tensor) -> Tensor:
    """Values (N,) up to `below` (N,) from normal noise (N, 2); all in logarithms, however far the bound cuts."""
    log_share, location, log_scale = split(parameters)
    room = functional.logsigmoid((below[:, None] - location) * (-log_scale).exp())
    at = torch.special.ndtr(noise[:, :1])
    location, log_scale, room = chosen(at, (log_share + room).log_softmax(dim=1), location, log_scale, room)
    log_p = (torch.special.log_ndtr(noise[:, 1]) + room).clamp_max(_SURE)
    quantile = log_p - torch.log(-torch.expm1(log_p))
    return torch.minimum(location + log_scale.exp() * quantile, below)
