"""A fitted flow along a velocity, whose velocity is interpolated across intervals of the context."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar

import torch

from generators.continuous.between import BetweenContexts
from generators.errors import ContextRangeError, HyperparameterError
from generators.tabular.base import TabularGenerator
from generators.tabular.continuous import ContinuousDensity

_G = TypeVar("_G", bound=TabularGenerator[Any])


def interpolated(generator: _G, intervals: Sequence[tuple[float, float]]) -> _G:
    """The same generator, with the velocity at the ends of every interval in the place of that inside.

    So a density that was learned from all events, those of a resonance included, can be asked for what it would be
    inside without them (SIGMA, 2410.20537), as often as there are windows. The interval is one of the first column of
    the context; inside, the velocity is a straight line in the context as networks see it, which is ln m of a mass.
    Nothing is trained or changed; sampling takes twice as long inside of an interval.

    Raises
    ------
    HyperparameterError
        If the generator has no velocity.
    ContextRangeError
        If an interval is empty or two overlap.
    """
    if not all(isinstance(network, ContinuousDensity) for network in generator.networks_):
        raise HyperparameterError(
            f"'{generator.kind}' has no velocity that could be interpolated; take flow_matching or diffusion."
        )
    edges = sorted((float(low), float(high)) for low, high in intervals)
    flat = [edge for pair in edges for edge in pair]
    if flat != sorted(set(flat)):
        raise ContextRangeError(f"Intervals {edges} must not be empty, and not overlap.")
    raw = torch.zeros(len(flat), len(generator.context_map_.shift), dtype=torch.float64)
    raw[:, 0] = torch.tensor(flat, dtype=torch.float64)
    raw[:, 1:] = 1.0
    ends = generator.context_map_(raw)[:, 0].float().reshape(-1, 2)
    changed = copy.copy(generator)
    changed.networks_ = [_between(network, ends[:, 0], ends[:, 1]) for network in generator.networks_]
    return changed


def _between(network: Any, low: torch.Tensor, high: torch.Tensor) -> Any:
    changed = copy.deepcopy(network)
    device = next(network.parameters()).device
    changed.network = BetweenContexts(changed.network, low.to(device), high.to(device)).eval()
    return changed
