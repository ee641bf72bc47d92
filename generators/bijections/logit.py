"""Min–max to the unit interval, then logit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import SmoothBijection, spread
from generators.errors import HyperparameterError
from generators.registry import register


@dataclass(eq=False, repr=False)
class LogitBetween(SmoothBijection):
    """Logit of every feature scaled to an interval, which a subclass learns.

    Outside of [ε, 1 − ε] the logit continues as the straight line of the same slope, which makes the map a continuously
    differentiable bijection of the whole real line: rows outside of the interval stay finite, and their density falls
    as fast as that of the line.
    """

    learned: ClassVar[tuple[str, ...]] = ("low", "high")

    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.epsilon < 0.5:
            raise HyperparameterError(f"epsilon = {self.epsilon} of {type(self).__name__} must lie between 0 and 0.5.")

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        low, high = self._learned()
        width = high - low
        # Both distances from the walls, because 1 − u has no digits left in single precision when u is close to 1.
        u, v = (x - low) / width, (high - x) / width
        u_in, v_in = u.clamp(self.epsilon, 1 - self.epsilon), v.clamp(self.epsilon, 1 - self.epsilon)
        slope = 1 / (u_in * v_in)
        z = u_in.log() - v_in.log() + (u - u_in) * slope
        return z, (slope / width).log().sum(dim=1)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        low, high = self._learned()
        edge = math.log1p(-self.epsilon) - math.log(self.epsilon)
        inside = z.clamp(-edge, edge)
        u = torch.sigmoid(inside) + (z - inside) * (self.epsilon * (1 - self.epsilon))
        return low + (high - low) * u


@register
@dataclass(eq=False, repr=False)
class Logit(LogitBetween):
    """Logit of every feature scaled to the range of its training rows, as CATHODE prepares them (2109.00546).

    The smallest and largest training value go to u = ε and 1 − ε, not to 0 and 1, so that no training row becomes
    infinite.
    """

    kind: ClassVar[str] = "logit"

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        low, high = spread(x)
        margin = (high - low) * self.epsilon / (1 - 2 * self.epsilon)
        return {"low": low - margin, "high": high + margin}
