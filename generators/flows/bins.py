"""Bins of a piecewise map on [−B, B]: their sizes from raw parameters, and the one that holds a value.

The bins are the first axis: a softmax over a last axis of eight elements can not be vectorised.
"""

from __future__ import annotations

import torch
from torch import Tensor

from generators.errors import HyperparameterError


def check_bins(bins: int, bound: float, *, fewest: int, most: int) -> None:
    """Refuse a number of bins or a bound that no spline can have.

    Raises
    ------
    HyperparameterError
        Names the value and its range.
    """
    if not fewest <= bins <= most:
        raise HyperparameterError(f"bins = {bins} of a spline must lie between {fewest} and {most}.")
    if not bound > 0:
        raise HyperparameterError(f"bound = {bound} of a spline must be positive.")


def shares(raw: Tensor, minimum: float) -> Tensor:
    """Positive shares (K, …) of a whole from raw parameters (K, …), none below `minimum`."""
    return minimum + (1 - minimum * len(raw)) * raw.softmax(dim=0)


def starts(sizes: Tensor, bound: float) -> Tensor:
    """Left ends (K, …) of bins with these sizes that begin at −B."""
    return torch.cat([torch.zeros_like(sizes[:1]), sizes[:-1].cumsum(dim=0)]) - bound


def holding(value: Tensor, left: Tensor) -> Tensor:
    """Index (…) of the bin with left ends (K, …) that holds a value (…) in [−B, B]; of NaN the first."""
    return (value >= left[1:]).sum(dim=0)


def pick(table: Tensor, index: Tensor) -> Tensor:
    """Entries (…) of a table (K, …) at an index (…)."""
    return table.gather(0, index[None])[0]
