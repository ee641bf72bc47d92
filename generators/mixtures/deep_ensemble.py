"""Several generators of any kind, trained one after another: their mixture, and how far they are apart."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.artifact import fingerprint
from generators.base import under
from generators.context import as_columns, context_rows
from generators.errors import HyperparameterError, NotFittedError
from generators.factorised.base import are_densities, generator_of
from generators.parameters import Parameters
from generators.protocols import Array, Monitor
from generators.registry import register
from generators.sources import refuse_shape
from generators.training.sequence import Stage, TrainingSequence
from generators.training.trained import identity_of
from generators.usable_rows import event_weights, relative_weights


@register
@dataclass(kw_only=True, eq=False)
class DeepEnsemble(Parameters):
    """`members` generators of one kind, whatever their events are (deep ensembles: 1612.01474); a density if one is.

    `generator` is the specification of a member. Members start from different weights; they learn from the same events
    with `vary` "seeds", and from Poisson(1) times every event with "bootstraps". Each makes an equal part of a sample,
    which `members_of` tells: a search puts how far they are apart into its systematic error. "ensemble" trains
    densities of feature vectors at once, which is faster.
    """

    kind: ClassVar[str] = "deep_ensemble"

    generator: dict[str, Any] = field(default_factory=lambda: {"kind": "hierarchical_sticks"})
    members: int = 5
    vary: str = "seeds"

    def __new__(cls, **fields: Any) -> Self:
        """What knows a density has the method that says it, and nothing else has."""
        known = fields.get("generator", {"kind": "hierarchical_sticks"})
        if cls is DeepEnsemble and are_densities(generator_of(known, f"generator of {cls.kind}")):
            return cast(Self, object.__new__(_WithDensity))
        return object.__new__(cls)

    def __post_init__(self) -> None:
        if self.vary not in SHARES:
            raise HyperparameterError(f"vary '{self.vary}' of {self.kind} is not one of {', '.join(SHARES)}.")
        if self.members < 2:
            raise HyperparameterError(f"members = {self.members} of {self.kind} must be at least 2.")
        self.unfitted: Any = generator_of(self.generator, f"generator of {self.kind}")
        self.generator = {"kind": self.unfitted.kind, **self.unfitted.hyperparameters()}

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
        """Learn from x (N, *event), context (N, C) and optional event weights (N,), member by member.

        `monitor` counts all trainings as one, which is continued from `checkpoint`; see `TrainingSequence`.
        """
        context = as_columns(context)
        data_hash = fingerprint(x, context, weights)
        used = relative_weights(event_weights(x, weights)) != 0
        rows, given = np.asarray(x)[used], None if weights is None else np.asarray(weights, np.float64)[used]
        names = tuple(f"member {number}" for number in range(1, self.members + 1))
        identity = identity_of([self.hyperparameters(), seed, data_hash])
        sequence = TrainingSequence(names, identity=identity, monitor=monitor, checkpoint=checkpoint)
        shares = SHARES[self.vary](len(rows), self.members, np.random.default_rng(seed))
        c = np.asarray(context)[used]
        self.fitted_ = [
            sequence.run(self._stage(name, rows, c, _product(given, share), own))
            for name, share, own in zip(names, shares, _seeds(seed, self.members), strict=True)
        ]
        self.seed_, self.data_hash_ = seed, data_hash
        self.context_columns_ = c.shape[1]
        return self

    def sample(self, context: Array, *, seed: int, out: Any = None) -> NDArray[np.float32]:
        """Draw one event per context row: (N, C) -> (N, *event); they are written to `out` if it is given."""
        c = self.context(context)
        events = np.empty((len(c), *self.event_shape), np.float32)
        made = None if out is None else refuse_shape(out, events.shape)
        chosen = self.members_of(c, seed=seed)
        for number, (member, own) in enumerate(zip(self.fitted_, _seeds(seed, self.members), strict=True)):
            rows = chosen == number
            events[rows] = member.sample(c[rows], seed=own)
        if made is None:
            return events
        made[:] = events
        return cast(NDArray[np.float32], made)

    def members_of(self, context: Array, *, seed: int) -> NDArray[np.int64]:
        """Which member makes the event of every row of context, (N,), in `sample` with this seed, counted from 0."""
        # A random order shares the contexts fairly and leaves no block structure behind.
        return np.random.default_rng(seed).permutation(np.arange(len(context)) % self.members)

    def member(self, index: int) -> Any:
        """One of the fitted generators, counted from 0."""
        self.require_fit()
        if not 0 <= index < self.members:
            raise HyperparameterError(f"There is no member {index}; the {self.members} members count from 0.")
        return self.fitted_[index]

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        return tuple(self.member(0).event_shape)

    @property
    def train_losses_(self) -> list[float]:
        """Those of the first member."""
        return list(getattr(self.member(0), "train_losses_", []))

    @property
    def validation_losses_(self) -> list[float]:
        """Those of the first member."""
        return list(getattr(self.member(0), "validation_losses_", []))

    @property
    def best_epochs_(self) -> list[int]:
        """Those of the first member."""
        return list(getattr(self.member(0), "best_epochs_", []))

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        return copy.deepcopy({each.name: getattr(self, each.name) for each in dataclasses.fields(self)})

    def state(self) -> dict[str, Tensor]:
        """Everything that was fitted, as named tensors."""
        self.require_fit()
        out = {"shape": torch.tensor([self.context_columns_, self.seed_])}
        for number, member in enumerate(self.fitted_):
            out |= {f"member.{number}.{key}": value for key, value in member.state().items()}
        return out

    def restore(self, state: dict[str, Tensor]) -> Self:
        """Take what `state` gave; the inverse of it."""
        self.context_columns_, self.seed_ = state["shape"].tolist()
        self.fitted_ = [
            copy.deepcopy(self.unfitted).restore(under(f"member.{number}.", state)) for number in range(self.members)
        ]
        return self

    def context(self, context: Array) -> NDArray[np.float64]:
        """The context (N, C) in double precision, of as many columns as in the training."""
        self.require_fit()
        return context_rows(context, self.context_columns_)

    def require_fit(self) -> None:
        """Raise NotFittedError before `fit`."""
        if not hasattr(self, "fitted_"):
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit or load a saved one.")

    def _stage(self, name: str, x: Array, context: Array, weights: Array | None, seed: int) -> Stage[Any]:
        """The training of one member."""
        unfitted = copy.deepcopy(self.unfitted)

        def fit(monitor: Monitor | None, checkpoint: Path | None) -> Any:
            return unfitted.fit(x, context, weights=weights, seed=seed, monitor=monitor, checkpoint=checkpoint)

        return Stage(
            name,
            fit,
            to_tree=lambda fitted: fitted.state(),
            from_tree=unfitted.restore,
            length=lambda fitted: len(getattr(fitted, "train_losses_", ())),
        )


@dataclass(kw_only=True, eq=False)
class _WithDensity(DeepEnsemble):
    def log_prob(self, x: Array, context: Array) -> NDArray[np.float64]:
        """Logarithm of the mean of the densities of all members, (N,), natural, per unit of x (N, *event)."""
        c = self.context(context)
        each = np.stack([np.asarray(member.log_prob(x, c), np.float64) for member in self.fitted_])
        return cast(NDArray[np.float64], np.logaddexp.reduce(each, axis=0) - math.log(self.members))


def _the_same(events: int, members: int, rng: np.random.Generator) -> list[NDArray[np.float64] | None]:
    return [None] * members


def _bootstraps(events: int, members: int, rng: np.random.Generator) -> list[NDArray[np.float64] | None]:
    return list(rng.poisson(1.0, (members, events)).astype(np.float64))


#: How often each of N events counts for each of K members, (N,) or None where each counts once.
SHARES: dict[str, Callable[[int, int, np.random.Generator], list[NDArray[np.float64] | None]]] = {
    "seeds": _the_same,
    "bootstraps": _bootstraps,
}


def _product(weights: Array | None, share: NDArray[np.float64] | None) -> Array | None:
    if weights is None or share is None:
        return weights if share is None else share
    return weights * share


def _seeds(seed: int, count: int) -> list[int]:
    return [int(s.generate_state(1)[0]) for s in np.random.SeedSequence(seed).spawn(count)]
