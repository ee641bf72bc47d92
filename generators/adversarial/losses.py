"""What a critic and a generator lose, given the scores that the critic gives to true and to generated events.

Scores are (N,) without bounds, the larger the more like data; losses are (N,), one per event.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from generators.errors import HyperparameterError


class AdversarialLoss(ABC):
    """The losses of both sides."""

    @abstractmethod
    def of_critic(self, true: Tensor, made: Tensor) -> Tensor:
        """Loss of the critic, from its scores of true events and of as many generated ones."""

    @abstractmethod
    def of_generator(self, made: Tensor) -> Tensor:
        """Loss of the generator, from the scores of what it made."""


@dataclass(frozen=True)
class NonSaturating(AdversarialLoss):
    """Cross-entropy of the critic; the generator maximises the log-probability to be taken for true.

    Goodfellow et al., 1406.2661. The best critic is the logarithm of the ratio of densities of data and generator.
    """

    def of_critic(self, true: Tensor, made: Tensor) -> Tensor:
        """Its cross-entropy."""
        return functional.softplus(-true) + functional.softplus(made)

    def of_generator(self, made: Tensor) -> Tensor:
        """Its cross-entropy with the wrong label, whose gradient does not vanish when the critic is sure."""
        return functional.softplus(-made)


@dataclass(frozen=True)
class LeastSquares(AdversarialLoss):
    """Squared distance of scores from 1 for data and 0 for what is made (Mao et al., 1611.04076).

    The best critic is the share of the density of data in the sum of both.
    """

    def of_critic(self, true: Tensor, made: Tensor) -> Tensor:
        """Half of the squares."""
        return 0.5 * ((true - 1).square() + made.square())

    def of_generator(self, made: Tensor) -> Tensor:
        """Half of the square of what is missing to data."""
        return 0.5 * (made - 1).square()


@dataclass(frozen=True)
class Hinge(AdversarialLoss):
    """Scores beyond ±1 are good enough (Lim & Ye, 1705.02894; Tran et al., 1702.08896).

    The best critic is 1 where data are denser than what is made and −1 elsewhere.
    """

    def of_critic(self, true: Tensor, made: Tensor) -> Tensor:
        """What is missing to the margins."""
        return torch.relu(1 - true) + torch.relu(1 + made)

    def of_generator(self, made: Tensor) -> Tensor:
        """Minus its score."""
        return -made


@dataclass(frozen=True)
class Wasserstein(AdversarialLoss):
    """Difference of mean scores (Arjovsky et al., 1701.07875).

    A critic whose slope is at most one finds the Wasserstein distance; `gradient_penalty` or spectral norm sees to it.
    """

    def of_critic(self, true: Tensor, made: Tensor) -> Tensor:
        """Minus the difference."""
        return made - true

    def of_generator(self, made: Tensor) -> Tensor:
        """Minus its score."""
        return -made


LOSSES: dict[str, AdversarialLoss] = {
    "non_saturating": NonSaturating(),
    "least_squares": LeastSquares(),
    "hinge": Hinge(),
    "wasserstein": Wasserstein(),
}


def adversarial_loss(name: str) -> AdversarialLoss:
    """The loss of that name.

    Raises
    ------
    HyperparameterError
        If there is none, naming those that are.
    """
    if name not in LOSSES:
        raise HyperparameterError(f"loss '{name}' is not one of {', '.join(LOSSES)}.")
    return LOSSES[name]
