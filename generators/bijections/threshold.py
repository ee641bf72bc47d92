"""Empty cells: everything below the threshold of a readout is one value with a probability of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from generators.bijections.base import spread
from generators.bijections.noise import NoisyBijection
from generators.errors import HyperparameterError
from generators.registry import register

#: What single precision can tell from the ends of an interval.
_MARGIN = 2.0**-22


@register
@dataclass(eq=False, repr=False)
class Threshold(NoisyBijection):
    """Values below `threshold` are empty: uniform noise between 0 and the threshold in z, and 0 when they come back.

    That is the noise of CaloFlow (2106.05285) with the cut that undoes it, as a map whose probabilities are exact: the
    positive values of z below the threshold are those of an empty cell and of nothing else, so their integral is its
    probability (see `NoisyBijection`). z is positive; maps of positive numbers follow ("logarithm", "stick_breaking",
    "layer_ratios"). Values above the threshold pass unchanged, so that nothing but the data lies next to it.

    >>> x = torch.tensor([[0.0], [0.3], [2.0], [5.0]])
    >>> fitted = Threshold(threshold=1.0).fit(x)
    >>> z, log_det = fitted.forward(x, noise=torch.tensor([[0.25], [0.5], [0.5], [0.5]]))
    >>> z.flatten().tolist(), fitted.inverse(z).flatten().tolist()
    ([0.25, 0.5, 2.0, 5.0], [0.0, 0.0, 2.0, 5.0])
    """

    kind: ClassVar[str] = "threshold"
    learned: ClassVar[tuple[str, ...]] = ("columns", "discrete")

    threshold: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            raise HyperparameterError(f"threshold = {self.threshold} of Threshold must be positive.")

    @property
    def discrete_columns(self) -> list[int]:
        """The columns that are empty in some training row."""
        columns: list[int] = self.get_buffer("discrete").tolist()
        return columns

    def _learn_noisy(self, x: Tensor, weights: Tensor, context: Tensor | None, noise: Tensor) -> dict[str, Tensor]:
        low, _ = spread(x)
        return {
            "columns": torch.ones(x.shape[1], dtype=x.dtype, device=x.device),
            "discrete": (low < self.threshold).nonzero().flatten(),
        }

    def _spread(self, x: Tensor, context: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        empty = x < self.threshold
        z = torch.where(empty, self.threshold * noise.clamp(_MARGIN, 1 - _MARGIN), x)
        return z, empty.sum(dim=1).to(x.dtype) * math.log(self.threshold)

    def _unmap(self, z: Tensor, context: Tensor | None) -> Tensor:
        return torch.where(z < self.threshold, torch.zeros_like(z), z)
