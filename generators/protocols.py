"""What every generator, density and bijection promises.

One context row asks for one event: `sample(context)` with context (N, C) returns (N, *event), whatever the event is:
a feature vector (D,), a jet (P, 3), a shower (layers, angles, radii). Oversampling repeats the context.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Progress:
    """Where a training stands; handed to a monitor after every epoch.

    `epoch` counts from 1, `train_loss` and `validation_loss` are weighted means over the epoch. Where several losses
    are trained by turns they are those of the first, and `phases` has both of each by its name.
    """

    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float
    phases: Mapping[str, tuple[float, float]] = field(default_factory=dict)


Monitor = Callable[[Progress], None]


@runtime_checkable
class ConditionalGenerator(Protocol):
    """Learns p(x | c)."""

    def fit(
        self,
        x: Array,
        context: Array,
        *,
        weights: Array | None = None,
        seed: int,
        monitor: Monitor | None = None,
        checkpoint: Path | None = None,
    ) -> Self:
        """Learn from x (N, *event), context (N, C), or (N,) of a single column, and optional event weights (N,).

        With `checkpoint` the training state is written there after every epoch, and a call that finds a state of the
        same model, data, settings and seed continues from it.
        """
        ...

    def sample(self, context: Array, *, seed: int) -> Array:
        """Draw one event per context row: (N, C), or (N,) of a single column, -> (N, *event)."""
        ...


@runtime_checkable
class DensityGenerator(ConditionalGenerator, Protocol):
    """A generator that also knows its density."""

    def log_prob(self, x: Array, context: Array) -> Array:
        """Natural logarithm of p(x | c), shape (N,), per unit of x."""
        ...


class Bijection(Protocol):
    """Fitted, invertible preprocessing of feature vectors with its log-determinant.

    The context of the rows comes along everywhere; most maps ignore it.
    """

    def fit(self, x: Tensor, weights: Tensor | None = None, context: Tensor | None = None) -> Self:
        """Learn from x (N, D), optional weights (N,) and context (N, C)."""
        ...

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x (N, D) to z (N, D) and log|det dz/dx| (N,)."""
        ...

    def inverse(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Map z (N, D) back to x (N, D)."""
        ...
