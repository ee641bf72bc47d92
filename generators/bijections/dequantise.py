"""Discrete columns made continuous."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from generators.bijections.base import spread
from generators.bijections.noise import NoisyBijection
from generators.errors import HyperparameterError, ShapeError
from generators.registry import register

#: More levels than this are as good as continuous.
_MOST_LEVELS = 2**20

#: How far from a level, in steps, a value may be: single precision has no more digits.
_TOLERANCE = 1e-3

#: What single precision can tell apart, with a bit to spare.
_RESOLUTION = 2.0**-22


@dataclass(eq=False, repr=False)
class Dequantisation(NoisyBijection):
    """Base of dequantisation: levels low, low + step, …, high become the intervals [0, 1), [1, 2), … of z.

    The first and the last interval are open to the outside, down to −∞ and up to ∞, so that every z belongs to a level:
    the levels of the training range have all of the probability, and nothing else is ever drawn. Values that are no
    level, also whole numbers outside of the training range, have none.

    `columns` are the discrete ones; by default those with nothing but whole numbers, and the others pass unchanged.
    `step` is the distance of levels, by default the greatest whole number of which all differences are multiples: 2 for
    charges of ±1.

    A new dequantisation implements `_place`, and `_learn_noise`, which may learn nothing.
    """

    learned: ClassVar[tuple[str, ...]] = ("low", "step_size", "last", "discrete", "position")

    columns: Sequence[int] | None = None
    step: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step is not None and not (math.isfinite(self.step) and self.step > 0):
            raise HyperparameterError(f"step = {self.step} of {type(self).__name__} must be positive.")
        if self.columns is not None:
            self.columns = sorted(set(map(int, self.columns)))
            if self.columns and self.columns[0] < 0:
                raise HyperparameterError(f"columns of {type(self).__name__} has {self.columns[0]}; count from 0.")

    @abstractmethod
    def _place(self, level: Tensor, last: Tensor, noise: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Values (N, M) within the intervals of `level` (N, M), of 0 … `last` (M,), and the sum of log dz/dnoise."""

    @abstractmethod
    def _learn_noise(self, level: Tensor, last: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        """Further buffers, learned from `level` (N, M), of 0 … `last` (M,), with weights (N,)."""

    @property
    @override
    def discrete_columns(self) -> list[int]:
        columns: list[int] = self.get_buffer("discrete").tolist()
        return columns

    def _learn_noisy(self, x: Tensor, weights: Tensor, context: Tensor | None, noise: Tensor) -> dict[str, Tensor]:
        low, high = spread(x)
        declared = self.columns is not None
        wanted = range(x.shape[1]) if self.columns is None else self.columns
        if declared and max(wanted, default=0) >= x.shape[1]:
            raise ShapeError(f"columns of {type(self).__name__} has {max(wanted)}, but x has {x.shape[1]}, from 0.")
        steps = torch.zeros_like(low)
        for column in wanted:
            step = _step(x[:, column], low[column], self.step)
            if step is not None:
                steps[column] = step
            elif declared:
                raise HyperparameterError(_refusal(x[:, column], column, self.step, type(self).__name__))
        discrete = (steps > 0).nonzero().flatten()
        position = torch.zeros(len(low), dtype=torch.long, device=x.device)
        position[discrete] = torch.arange(len(discrete), device=x.device)
        last = ((high - low)[discrete] / steps[discrete]).round()
        level = ((x - low)[:, discrete] / steps[discrete]).round()
        further = self._learn_noise(level, last, weights, context) if len(discrete) else {}
        return {
            "low": torch.where(steps > 0, low, 0),
            "step_size": steps,
            "last": last,
            "discrete": discrete,
            "position": position,
        } | further

    def _spread(self, x: Tensor, context: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        low, step, last, discrete, position = (self.get_buffer(name) for name in Dequantisation.learned)
        if len(discrete) == 0:
            return x, x.new_zeros(x.shape[0])
        exact = (x[:, discrete] - low[discrete]) / step[discrete]
        level = torch.minimum(exact.round().clamp(min=0), last)
        z, log_det = self._place(level, last, noise[:, discrete], context)
        possible = ((exact - level).abs() < _TOLERANCE).all(dim=1)
        return torch.where(step > 0, z[:, position], x), torch.where(possible, log_det, -math.inf)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        low, step, last, discrete, position = (self.get_buffer(name) for name in Dequantisation.learned)
        if len(discrete) == 0:
            return z
        level = torch.minimum(z[:, discrete].floor().clamp(min=0), last)
        return torch.where(step > 0, low + step * level[:, position], z)


@register
@dataclass(eq=False, repr=False)
class UniformDequantise(Dequantisation):
    """Uniform noise within a level (Theis et al., 1511.01844), exponential outwards in the first and the last.

    See `Dequantisation` for levels and hyperparameters, `NoisyBijection` for what becomes of the density.

    >>> n = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    >>> fitted = UniformDequantise().fit(n)
    >>> z, _ = fitted.forward(n, noise=torch.full((4, 1), 0.25))
    >>> z.flatten().tolist()[1:3], fitted.inverse(z).flatten().tolist()
    ([1.25, 2.25], [0.0, 1.0, 2.0, 3.0])
    """

    kind: ClassVar[str] = "dequantise"

    def _learn_noise(self, level: Tensor, last: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        return {}

    def _place(self, level: Tensor, last: Tensor, noise: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        v = inner(noise, level)
        below, above = v.log(), torch.log1p(-v)
        first, final = level == 0, level == last
        z = level + torch.where(first, 1 + below, torch.where(final, -above, v))
        return z, -torch.where(first, below, torch.where(final, above, torch.zeros_like(v))).sum(dim=1)


def inner(noise: Tensor, level: Tensor) -> Tensor:
    """`noise` kept so far away from 0 and 1 that level + noise is within its interval in single precision too."""
    return torch.minimum(noise.clamp(min=2.0**-40), 1 - _RESOLUTION * (level + 1))


def _step(values: Tensor, low: Tensor, declared: float | None) -> float | None:
    """Distance of the levels of `values` (N,), None if they lie on none or on too many."""
    if declared is None:
        if bool((values != values.round()).any()) or float((values - low).max()) > 2.0**53:
            return None
        step = float(np.gcd.reduce((values - low).long().cpu().numpy()))
    else:
        exact = (values - low) / declared
        if bool(((exact - exact.round()).abs() > _TOLERANCE).any()):
            return None
        step = declared
    return step if float((values - low).max()) <= step * _MOST_LEVELS else None


def _refusal(values: Tensor, column: int, step: float | None, owner: str) -> str:
    low = values.min()
    offsets = values - values.round() if step is None else (values - low) / step - ((values - low) / step).round()
    wrong = offsets.abs() > (0 if step is None else _TOLERANCE)
    if not bool(wrong.any()):
        return f"columns of {owner} names column {column}, which has more than {_MOST_LEVELS} levels: it is continuous."
    lattice = "a whole number" if step is None else f"{float(low):g} plus a multiple of {step:g}"
    return (
        f"columns of {owner} names column {column}, but {int(wrong.sum())} of {len(values)} values are not {lattice} "
        f"(the first is {float(values[wrong][0]):g}). Leave the column out or give another step."
    )
