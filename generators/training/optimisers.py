"""Optimisers of a phase of training: each is its settings, from which the one of torch is made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from generators.errors import HyperparameterError
from generators.training.schedules import SCHEDULES

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Optimiser(ABC):
    """Rate, schedule (see `SCHEDULES`), decay of the weights, and the bound `clip` on the norm of the gradient."""

    kind: ClassVar[str]

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "one_cycle"
    clip: float | None = 1.0

    def __post_init__(self) -> None:
        if not self.learning_rate > 0:
            raise HyperparameterError(f"learning_rate = {self.learning_rate} of {self.kind} must be positive.")
        if not self.weight_decay >= 0:
            raise HyperparameterError(f"weight_decay = {self.weight_decay} of {self.kind} must not be negative.")
        if self.schedule not in SCHEDULES:
            raise HyperparameterError(f"schedule '{self.schedule}' is not one of {', '.join(SCHEDULES)}.")
        if self.clip is not None and not self.clip > 0:
            raise HyperparameterError(f"clip = {self.clip} of {self.kind} must be positive, or none.")
        for name, value in self.memory().items():
            if not 0 <= value < 1:
                raise HyperparameterError(f"{name} = {value} of {self.kind} must lie in [0, 1).")

    @abstractmethod
    def memory(self) -> dict[str, float]:
        """By name, which part of what an optimiser remembers is left after a step."""

    @abstractmethod
    def of(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of torch for these parameters."""

    def description(self) -> dict[str, Any]:
        """Kind and settings as JSON types."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class _WithMoments(Optimiser):
    """What the family of Adam has in common: `betas` of the first and second moment of the gradient."""

    betas: tuple[float, float] = (0.9, 0.999)

    def memory(self) -> dict[str, float]:
        """Of both moments."""
        return {f"betas[{place}]": beta for place, beta in enumerate(self.betas)}


@dataclass(frozen=True, kw_only=True)
class AdamW(_WithMoments):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 1711.05101)."""

    kind: ClassVar[str] = "adamw"

    def of(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """All parameters in one call of a fused kernel."""
        import torch

        return torch.optim.AdamW(
            parameters, lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay, fused=True
        )


@dataclass(frozen=True, kw_only=True)
class Adam(_WithMoments):
    """Adam (Kingma & Ba, 1412.6980); the weight decay is part of the gradient."""

    kind: ClassVar[str] = "adam"

    def of(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """All parameters in one call of a fused kernel."""
        import torch

        return torch.optim.Adam(
            parameters, lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay, fused=True
        )


@dataclass(frozen=True, kw_only=True)
class RAdam(_WithMoments):
    """Rectified Adam (Liu et al., 1908.03265), which warms up by itself; decay as in `Adam`."""

    kind: ClassVar[str] = "radam"

    def of(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """One list of parameters."""
        import torch

        return torch.optim.RAdam(parameters, lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay)


@dataclass(frozen=True, kw_only=True)
class RMSprop(Optimiser):
    """Steps in units of the root of the mean square of the gradient (Tieleman & Hinton 2012).

    `smoothing` is the part of that mean that is left after a step, as `momentum` is of the step before.
    """

    kind: ClassVar[str] = "rmsprop"

    smoothing: float = 0.99
    momentum: float = 0.0

    def memory(self) -> dict[str, float]:
        """Of the mean square and of the steps."""
        return {"smoothing": self.smoothing, "momentum": self.momentum}

    def of(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """One list of parameters."""
        import torch

        return torch.optim.RMSprop(
            parameters,
            lr=self.learning_rate,
            alpha=self.smoothing,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )


OPTIMISERS: dict[str, type[Optimiser]] = {made.kind: made for made in (AdamW, Adam, RAdam, RMSprop)}
