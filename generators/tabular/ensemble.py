"""Several densities trained as one: their mixture is the template, their spread its uncertainty."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from generators.conditional_network import after_epoch
from generators.errors import HyperparameterError
from generators.one_phase import OneLoss
from generators.protocols import Array, Monitor
from generators.registry import create, register
from generators.tabular.base import ConditionalDensity, FeatureDensity
from generators.training.batches import Rows, SharedData, TrainingData
from generators.training.loop import train
from generators.training.members import Members
from generators.training.phases import Phase, trainable
from generators.training.settings import TrainingSettings
from generators.training.trained import Trained


@register
@dataclass(kw_only=True, eq=False)
class Ensemble(FeatureDensity):
    """`members` densities of one kind, trained at once with batched weights.

    `generator` is the specification of a member; its bijection and training are those of all. Members start from
    different weights and see the events in different orders. They learn from the same events with `vary` "seeds", from
    Poisson(1) times every event with "bootstraps", and from all but one `members`-th of the events with "folds".
    Samples come in equal parts from the best states of all members, the density is their mean; `member(k)` is one of
    them as a density of its own, so that a spread of anything can be had.
    """

    kind: ClassVar[str] = "ensemble"

    generator: dict[str, Any] = field(
        default_factory=lambda: {"kind": "autoregressive_spline", "training": {"batch_size": 512}}
    )
    members: int = 10
    vary: str = "seeds"
    bijection: str | dict[str, Any] = field(init=False)
    training: TrainingSettings = field(init=False)

    def __post_init__(self) -> None:
        if self.vary not in SHARES:
            raise HyperparameterError(f"vary '{self.vary}' of {self.kind} is not one of {', '.join(SHARES)}.")
        if self.members < 2:
            raise HyperparameterError(f"members = {self.members} of {self.kind} must be at least 2.")
        inner = create(self.generator) if isinstance(self.generator, Mapping) else self.generator
        if not (isinstance(inner, FeatureDensity) and isinstance(inner, OneLoss) and inner.plain):
            raise HyperparameterError(
                f"generator of {self.kind}: '{getattr(inner, 'kind', inner)}' can not be trained in an ensemble; it "
                "must be a density of feature vectors with one phase of training."
            )
        self.inner: Any = inner
        self.generator = {"kind": inner.kind, **inner.hyperparameters()}
        self.bijection, self.training = inner.bijection, inner.training

    @property
    @override
    def plain(self) -> bool:
        """Its members already are trained at once."""
        return False

    def build(self, shape: tuple[int, ...], context: int) -> ConditionalDensity:
        """The network of one member."""
        network: ConditionalDensity = self.inner.build(shape, context)
        return network

    def learn(
        self, data: TrainingData, *, seed: int, monitor: Monitor | None = None, checkpoint: Path | None = None
    ) -> Trained:
        """All members at once."""
        networks = [self.untrained(data, seed=seed + member) for member in range(self.members)]
        shares = SHARES[self.vary](len(data), self.members, torch.Generator().manual_seed(seed))
        shared = SharedData(data.x, data.context, data.weights[:, None] * shares.to(data.weights))
        together = Members(networks, self.inner.objective)
        return train(
            together,
            [Phase(self.kind, together, trainable(together))],
            shared,
            self.training,
            seed=seed,
            monitor=monitor,
            checkpoint=checkpoint,
            description=self.hyperparameters(),
            after_epoch=_after_epoch,
        )

    def members_of(self, context: Array, *, seed: int) -> NDArray[np.int64]:
        """Which member makes the event of every row of context, (N,), in `sample` with this seed, counted from 0."""
        self._require_fit()
        order = torch.randperm(len(context), generator=torch.Generator().manual_seed(seed))
        made = np.empty(len(context), np.int64)
        each = len(self.states_) // self.members
        for number, rows in enumerate(torch.tensor_split(order, len(self.states_))):
            made[rows.numpy()] = number // each
        return made

    def member(self, index: int) -> FeatureDensity:
        """One of the fitted densities, counted from 0."""
        self._require_fit()
        if not 0 <= index < self.members:
            raise HyperparameterError(f"There is no member {index}; the {self.members} members count from 0.")
        each = len(self.states_) // self.members
        chosen = slice(index * each, (index + 1) * each)
        state = {key: value for key, value in self.state().items() if not key.startswith("network.")}
        state["losses.best_epochs"] = state["losses.best_epochs"][chosen]
        for number, own in enumerate(self.states_[chosen]):
            state |= {f"network.{number}.{key}": value for key, value in own.items()}
        out: FeatureDensity = copy.copy(self.inner).restore(state)
        out.data_hash_ = self.data_hash_
        return out


def _the_same(events: int, members: int, generator: torch.Generator) -> Tensor:
    return torch.ones(events, members)


def _bootstraps(events: int, members: int, generator: torch.Generator) -> Tensor:
    return torch.poisson(torch.ones(events, members), generator=generator)


def _all_but_one_fold(events: int, members: int, generator: torch.Generator) -> Tensor:
    fold = torch.randperm(events, generator=generator) % members
    return (fold[:, None] != torch.arange(members)).to(torch.float32)


#: How often each of N events counts for each of K members, (N, K).
SHARES = {"seeds": _the_same, "bootstraps": _bootstraps, "folds": _all_but_one_fold}


def _after_epoch(model: nn.Module, data: Rows) -> None:
    assert isinstance(model, Members)
    assert isinstance(data, SharedData)
    model.visit(after_epoch, data)
