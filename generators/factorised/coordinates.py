"""Events as two parts, of which the second is learned given the first, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.protocols import Array
from generators.ragged import Ragged


@dataclass(frozen=True, eq=False)
class Second:
    """What p(b | a, c) is learned from: b (M, *event) and its context (M, C').

    There may be as many for every event, one after another, such as the two jets of a pair: then M is a multiple of N.
    Clouds may be ragged.
    """

    x: Array | Ragged
    context: Array


class Request(ABC):
    """What a drawn first part asks of the second, and the event that both make.

    `context` (M, C') is that of the second part.
    """

    context: Array

    @abstractmethod
    def event(self, second: Array) -> Array:
        """Events (N, *event) with what was drawn at the context, (M, *event)."""


class Coordinates(ABC):
    """The two parts of events x (N, *event) with context (N, C), once they were fitted to the training.

    `sizes` are whole numbers that are stored, beside the tensors of `state`.
    """

    @property
    @abstractmethod
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, ...]:
        """Whole numbers that `Factorisation.restored` needs."""

    @abstractmethod
    def first(self, x: Array, context: Array) -> Array:
        """The part a, (N, *event), which is learned given the context alone."""

    @abstractmethod
    def second(self, x: Array, context: Array) -> Second:
        """The part b with its context, which knows a."""

    @abstractmethod
    def request(self, first: Array, context: Array, random: torch.Generator) -> Request:
        """What a first part (N, *event) that was drawn at a context (N, C) asks of the second."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """As named tensors."""


class ExactCoordinates(Coordinates):
    """Coordinates that lose nothing and draw nothing, so that two densities are one of the whole event."""

    @abstractmethod
    def log_det(self, x: Array, context: Array) -> NDArray[np.float64]:
        """Log|det ∂(a, b)/∂x|, (N,)."""


def gathered(densities: Array, events: int) -> NDArray[np.float64]:
    """Sum of log-densities (M,) over the parts of each of N events, (N,)."""
    values = np.asarray(densities, np.float64)
    summed: NDArray[np.float64] = values.reshape(events, -1).sum(axis=1) if events else np.empty(0)
    return summed


def repeated(weights: NDArray[Any], rows: int) -> NDArray[Any]:
    """Weights (N,) for so many parts, as many of every event."""
    return np.repeat(weights, rows // len(weights))
