"""Logit of numbers that lie in the unit interval by their nature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import spread
from generators.bijections.logit import LogitBetween
from generators.registry import register


@register
@dataclass(eq=False, repr=False)
class UnitLogit(LogitBetween):
    """Regularised logit z = logit(ε + (1 − 2ε) x) of x in [0, 1], whatever range the training rows have (2106.05285).

    As `Logit` it goes on as a straight line outside of the interval, so that it is a bijection of the whole line.

    >>> x = torch.tensor([[0.8], [0.2]])
    >>> [round(z, 3) for z in UnitLogit().fit(x).forward(x)[0].flatten().tolist()]
    [1.386, -1.386]
    """

    kind: ClassVar[str] = "unit_logit"

    def _learn(self, x: Tensor, weights: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        spread(x)
        margin = self.epsilon / (1 - 2 * self.epsilon)
        low = torch.full((x.shape[1],), -margin, dtype=x.dtype, device=x.device)
        return {"low": low, "high": 1 - low}
