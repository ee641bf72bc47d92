"""Where the constituents of the training lie, behind the preprocessing."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from generators.training.containers import RaggedTensor


class TrainingRange(nn.Module):
    """Keeps points (…, F) within the range that every feature has in the training; nothing is kept before it is known.

    Behind the preprocessing the tails of the features are stretched: one constituent in ten thousand that ends a little
    farther than all of the training is far outside of its jet, and distances of jets are those of these few. A model of
    few steps that is asked about a point where hardly any were answers with one that is still farther, and the maker of
    an adversarial pair hears of so rare a point from no critic.
    """

    low: Tensor
    high: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        most = torch.finfo(torch.float32).max
        self.register_buffer("low", torch.full((features,), -most))
        self.register_buffer("high", torch.full((features,), most))

    def know(self, z: Tensor | RaggedTensor) -> None:
        """Take the range of points (N, P, F), where absent ones are zero, which is the middle of the others."""
        self.know_all([z.values[None] if isinstance(z, RaggedTensor) else z])

    def know_all(self, parts: Iterable[Tensor]) -> None:
        """As `know`, of a sample that comes in parts (N, P, F)."""
        for number, part in enumerate(part for part in parts if part.numel()):
            points = part.flatten(0, 1)
            low, high = points.amin(dim=0), points.amax(dim=0)
            self.low.copy_(low if number == 0 else torch.minimum(self.low, low))
            self.high.copy_(high if number == 0 else torch.maximum(self.high, high))

    def forward(self, z: Tensor) -> Tensor:
        """See the class."""
        return z.clamp(self.low.to(z.dtype), self.high.to(z.dtype))
