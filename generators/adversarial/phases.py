"""The two phases of adversarial training, for generators of whatever events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from generators.adversarial.losses import AdversarialLoss
from generators.adversarial.matching import matching_of
from generators.adversarial.regularisation import gradient_penalty
from generators.training.optimisers import Optimiser
from generators.training.phases import Phase, trainable


class Maker(Protocol):
    """A network that makes events of noise."""

    def made_like(self, x: Tensor, c: Tensor) -> Tensor:
        """Generated events at c (N, C), as many as x (N, *event) and of that form; the noise is that of torch."""
        ...


class Seeing(Protocol):
    """A critic that also says what it sees of an event."""

    def seen(self, x: Tensor, c: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """Scores of events (N, *event) at c (N, C), as its `forward` gives them, and features (N, D) of each."""
        ...


@dataclass(frozen=True)
class Matching:
    """A term of the generator, so many times one of `MATCHINGS`, in its first `steps`, or in all of them."""

    name: str
    weight: float
    steps: int | None = None


class Adversaries(nn.Module):
    """A maker of events, see `Maker`, and a critic, which gives events (N, *event) at c (N, C) a score (N,).

    A critic that is made of several gives (N, K) scores; the losses of all are added.
    """

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
        loss = _of_events(self.loss.of_critic(critic(x, c), critic(made, c)))
        if self.penalty:
            loss = loss + self.penalty * gradient_penalty(lambda between: critic(between, c), x, made)
        return loss


class MakerLoss(nn.Module):
    """Loss of the maker, with the term that makes events alike to a critic if there is one, see `Seeing`."""

    made_steps: Tensor

    def __init__(self, adversaries: Adversaries, loss: AdversarialLoss, matching: Matching | None = None) -> None:
        super().__init__()
        self.adversaries, self.loss, self.matching = adversaries, loss, matching
        self.term = None if matching is None else matching_of(matching.name)
        self.register_buffer("made_steps", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Loss of every event, (N,); of x only the form is looked at, but by that term."""
        made = self.adversaries.made_like(x, c)
        if self.training:
            self.made_steps += 1
        if self.matching is None or self.term is None or not self._matched(self.matching):
            return _of_events(self.loss.of_generator(self.adversaries.critic(made, c)))
        critic = cast(Seeing, self.adversaries.critic)
        scores, of_made = critic.seen(made, c)
        with torch.no_grad():
            _, of_true = critic.seen(x, c)
        return _of_events(self.loss.of_generator(scores)) + self.matching.weight * self.term(of_true, of_made)

    def _matched(self, matching: Matching) -> bool:
        return matching.steps is None or int(self.made_steps) <= matching.steps


def adversarial_phases(
    adversaries: Adversaries,
    loss: AdversarialLoss,
    *,
    of_maker: Optimiser,
    of_critic: Optimiser,
    penalty: float = 0.0,
    critic_steps: int = 1,
    matching: Matching | None = None,
    moved: nn.Module | None = None,
) -> list[Phase]:
    """The phases "critic", of so many steps, and "maker", of one.

    A gradient penalty can not be compiled, nor a term that ends after some steps. `moved` is the part of the maker that
    learns from the critic, by default all of it.
    """
    critic: dict[str, Any] = {"optimiser": of_critic, "repeat": critic_steps, "compile": not penalty}
    maker = trainable(adversaries.maker if moved is None else moved)
    return [
        Phase("critic", CriticLoss(adversaries, loss, penalty), trainable(adversaries.critic), **critic),
        Phase("maker", MakerLoss(adversaries, loss, matching), maker, of_maker, compile=matching is None),
    ]


def _of_events(losses: Tensor) -> Tensor:
    """Losses of events (N,), of which there may be several of each, (N, K)."""
    return losses if losses.ndim == 1 else losses.sum(dim=1)
