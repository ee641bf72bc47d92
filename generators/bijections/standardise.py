"""Zero mean, unit variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import SmoothBijection, spread
from generators.registry import register


@register
@dataclass(eq=False, repr=False)
class Standardise(SmoothBijection):
    """z = (x − mean) / standard deviation, with the weighted moments of the training rows.

    With negative weights a variance can come out non-positive; that column is then scaled by the moments of |w|. Any
    positive scale is an exact bijection, so this costs nothing but a less even z.

    >>> x = torch.tensor([[1.0], [5.0]])
    >>> z, log_det = Standardise().fit(x).forward(x)
    >>> z.flatten().tolist(), round(float(log_det[0]), 4)
    ([-1.0, 1.0], -0.6931)
    """

    kind: ClassVar[str] = "standardise"
    learned: ClassVar[tuple[str, ...]] = ("mean", "scale")

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        spread(x)
        mean = weights @ x
        squares = (x - mean).square()
        signed = weights @ squares
        absolute = weights.abs() @ squares / weights.abs().sum()
        return {"mean": mean, "scale": torch.where(signed > 0, signed, absolute).sqrt()}

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        mean, scale = self._learned()
        return (x - mean) / scale, -scale.log().sum().expand(x.shape[0])

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        mean, scale = self._learned()
        return mean + scale * z
