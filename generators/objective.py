"""What a network loses: a module of its own, which is trained and then left behind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from torch import Tensor, nn

N = TypeVar("N", bound=nn.Module)


class Objective(nn.Module, ABC, Generic[N]):
    """The loss of every event by a `network`, in the space behind the preprocessing."""

    network: N

    def __init__(self, network: N) -> None:
        super().__init__()
        self.network = network

    @abstractmethod
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Loss of every event z (N, *event) at c (N, C): (N,)."""
