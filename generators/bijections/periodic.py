"""Angles, cut open where there is least and laid on a line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import SmoothBijection, spread
from generators.errors import HyperparameterError
from generators.registry import register

#: Harmonics of the density in which the emptiest place is looked for, and the width of their Gaussian damping: features
#: of a density that are narrower than a twelfth of the circle do not move the seam.
_HARMONICS, _DAMPING = 12, 5.0

#: The closest that an angle may come to the seam, in turns: what is nearer counts as there, so that z stays finite.
_NEAREST = 2.0**-52


@register
@dataclass(eq=False, repr=False)
class Periodic(SmoothBijection):
    """Angles in [low, low + period), turned until the seam lies where the training sample is emptiest, then logit.

    With t the share of the circle between the seam and the angle, z = log(t / (1 − t)) is a bijection of the circle
    without the seam and the whole line: a flow on the line loses nothing but continuity at the seam, where there is
    least to lose. Angles of any turn are taken; the inverse gives them in [low, low + period). For a column of uniform
    angles z is logistic; "quantile_normal" after it makes that normal.
    """

    kind: ClassVar[str] = "periodic"
    learned: ClassVar[tuple[str, ...]] = ("seam",)

    period: float = 2 * math.pi
    low: float = -math.pi

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.period) and self.period > 0):
            raise HyperparameterError(f"period = {self.period} of Periodic must be positive.")
        if not math.isfinite(self.low):
            raise HyperparameterError(f"low = {self.low} of Periodic must be finite.")

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        spread(x)
        turns = torch.remainder((x - self.low) / self.period, 1)
        spread(turns)
        emptiest = torch.stack([_emptiest(column, weights) for column in turns.unbind(dim=1)])
        return {"seam": self.low + self.period * emptiest}

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        (seam,) = self._learned()
        t = torch.remainder(x - seam, self.period) / self.period
        # From the other side where that is nearer: 1 − t has lost the digits that tell how near.
        rest = torch.where(t < 0.5, 1 - t, torch.remainder(seam - x, self.period) / self.period)
        t, rest = t.clamp(min=_NEAREST), rest.clamp(min=_NEAREST)
        return t.log() - rest.log(), -(t * rest * self.period).log().sum(dim=1)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        (seam,) = self._learned()
        # The shorter way to the seam is known to all digits.
        short = torch.sigmoid(-z.abs()) * self.period
        x = torch.remainder(torch.where(z < 0, seam + short, seam - short) - self.low, self.period)
        # The remainder of a tiny negative number is rounded up to the period itself.
        return self.low + torch.where(x < self.period, x, torch.zeros_like(x))


def _emptiest(turns: Tensor, weights: Tensor) -> Tensor:
    """The place (in turns, scalar) of least smoothed density among the middles of all gaps of `turns` (N,)."""
    values = torch.unique(turns)
    following = torch.cat([values[1:], values[:1] + 1])
    middles = torch.remainder((values + following) / 2, 1)
    density = torch.zeros_like(middles)
    for k in range(1, _HARMONICS + 1):
        angle = 2 * math.pi * k * turns
        damping = 2 * math.exp(-0.5 * (k / _DAMPING) ** 2)
        along = 2 * math.pi * k * middles
        density = density + damping * ((weights @ angle.cos()) * along.cos() + (weights @ angle.sin()) * along.sin())
    # Rounded, so that neither the order of the rows nor their multiplicity decides between equals.
    return middles[(density * 1e9).round().argmin()]
