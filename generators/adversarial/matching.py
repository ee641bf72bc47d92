"""What a critic sees of an event, made alike for true and generated ones: a term beside the loss of the generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from generators.errors import HyperparameterError

#: Widths of features are at least that: one that is the same for all events says nothing.
_LEAST = 1e-3


def mean_field(true: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """Mean squared difference (N,) of features (N, D) of true and generated events of the same context.

    MDMA (2305.15254) has it for the mean field of its critic, at the beginning of a training: events of one context are
    not all alike, so in the long run it would make generated ones too much so.
    """
    differences = [(b - a.detach()).square().flatten(1) for a, b in zip(true, made, strict=True)]
    return torch.cat(differences, dim=1).mean(dim=1)


def features(true: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """Mean over features (N, D) of the difference between their means, in units of their true width: the same, (N,).

    Feature matching (Salimans et al., 1606.03498), standardised as in DeepTreeGAN (2312.00042). The means are those of
    the batch: its events are paired by no order.
    """
    total = true[0].new_zeros(())
    for a, b in zip(true, made, strict=True):
        a = a.detach().flatten(1)
        width = a.std(dim=0, correction=0).clamp_min(_LEAST)
        total = total + ((b.flatten(1).mean(dim=0) - a.mean(dim=0)).abs() / width).mean()
    return total.expand(true[0].shape[0])


MATCHINGS: dict[str, Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]] = {
    "mean_field": mean_field,
    "features": features,
}


def matching_of(name: str) -> Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]:
    """The term of that name.

    Raises
    ------
    HyperparameterError
        If there is none, naming those that are.
    """
    if name not in MATCHINGS:
        raise HyperparameterError(f"matching '{name}' is not one of {', '.join(MATCHINGS)}.")
    return MATCHINGS[name]
