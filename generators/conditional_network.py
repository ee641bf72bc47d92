"""What a network of a generator offers to the one loop that trains it; its loss is an `Objective`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from generators.training.batches import Rows


class ConditionalNetwork(nn.Module, ABC):
    """A network of events z (N, *event) behind the preprocessing and a context c (N, C).

    One whose target is noisy anyway can say by `tolerates_bfloat16` that it may be trained in that precision.
    """

    tolerates_bfloat16: ClassVar[bool] = False


class WithStatistics(ABC):
    """A network that has statistics of the whole sample that it learns from."""

    @abstractmethod
    def after_epoch(self, z: Tensor, c: Tensor) -> None:
        """Set the statistics from the whole training sample, (N, *event) and (N, C)."""


def after_epoch(model: nn.Module, data: Rows) -> None:
    """Let a network set its statistics from all that it learns from, if it has any."""
    if isinstance(model, WithStatistics):
        whole = data.whole()
        model.after_epoch(whole.x, whole.context)


def device_of(network: nn.Module) -> torch.device:
    """Where a network computes; preprocessing stays in the main memory, and is cheap."""
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
