"""The two phases of adversarial training, for generators of whatever events."""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from generators.adversarial.losses import AdversarialLoss
from generators.adversarial.regularisation import gradient_penalty
from generators.training.optimisers import Optimiser
from generators.training.phases import Phase, trainable


class Maker(Protocol):
    """A network that makes events of noise."""

    def made_like(self, x: Tensor, c: Tensor) -> Tensor:
        """Generated events at c (N, C), as many as x (N, *event) and of that form; the noise is that of torch."""
        ...


class Adversaries(nn.Module):
    """A maker of events, see `Maker`, and a critic, which gives events (N, *event) at c (N, C) a score (N,)."""

    def __init__(self, maker: nn.Module, critic: nn.Module) -> None:
        super().__init__()
        self.maker, self.critic = maker, critic

    def made_like(self, x: Tensor, c: Tensor) -> Tensor:
        """What the maker makes."""
        return cast(Maker, self.maker).made_like(x, c)


class CriticLoss(nn.Module):
    """Loss of the critic, with `penalty` times the gradient penalty."""

    def __init__(self, adversaries: Adversaries, loss: AdversarialLoss, penalty: float) -> None:
        super().__init__()
        self.adversaries, self.loss, self.penalty = adversaries, loss, penalty

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,).

        Both its terms are of the same context, so that the weight of an event weighs what is made like it as well.
        """
        critic = self.adversaries.critic
        with torch.no_grad():
            made = self.adversaries.made_like(x, c)
        loss = self.loss.of_critic(critic(x, c), critic(made, c))
        if self.penalty:
            loss = loss + self.penalty * gradient_penalty(lambda between: critic(between, c), x, made)
        return loss


class MakerLoss(nn.Module):
    """Loss of the maker."""

    def __init__(self, adversaries: Adversaries, loss: AdversarialLoss) -> None:
        super().__init__()
        self.adversaries, self.loss = adversaries, loss

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,); of x only the form is looked at."""
        return self.loss.of_generator(self.adversaries.critic(self.adversaries.made_like(x, c), c))


def adversarial_phases(
    adversaries: Adversaries,
    loss: AdversarialLoss,
    *,
    of_maker: Optimiser,
    of_critic: Optimiser,
    penalty: float = 0.0,
    critic_steps: int = 1,
) -> list[Phase]:
    """The phases "critic", of so many steps, and "maker", of one.

    A gradient penalty can not be compiled.
    """
    critic: dict[str, Any] = {"optimiser": of_critic, "repeat": critic_steps, "compile": not penalty}
    return [
        Phase("critic", CriticLoss(adversaries, loss, penalty), trainable(adversaries.critic), **critic),
        Phase("maker", MakerLoss(adversaries, loss), trainable(adversaries.maker), of_maker),
    ]
