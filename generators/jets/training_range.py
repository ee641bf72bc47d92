"""Where the constituents of the training lie, behind the preprocessing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from generators.training.containers import RaggedTensor


class TrainingRange(nn.Module):
    """Keeps points (…, F) within the range that every feature has in the training; nothing is kept before it is known.

    A model of few steps that is asked about a point where hardly any were in the training answers with one that is
    still farther, and behind the preprocessing the tails of the features are stretched: without it one constituent in
    ten thousand ends outside of its jet, and distances of jets are those of these few.
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
        points = z.values if isinstance(z, RaggedTensor) else z.flatten(0, 1)
        if len(points):
            self.low.copy_(points.amin(dim=0))
            self.high.copy_(points.amax(dim=0))

    def forward(self, z: Tensor) -> Tensor:
        """See the class."""
        return z.clamp(self.low.to(z.dtype), self.high.to(z.dtype))
