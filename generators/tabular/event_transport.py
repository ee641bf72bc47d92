"""Training events, carried along a flow from their own mass to another one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.base import under
from generators.errors import HyperparameterError, NotFittedError
from generators.parameters import Parameters
from generators.protocols import Array, Monitor
from generators.registry import create, register
from generators.tabular.base import TabularGenerator
from generators.tabular.bracketing import require_reach
from generators.tabular.event_mixing import EventMixing
from generators.tabular.transport import Invertible, cannot, transport


@register
@dataclass(kw_only=True, eq=False)
class EventTransport(Parameters):
    """Events from both sides of the mass, each moved to it by a flow p(x | m) that was trained on all of them.

    A flow of moderate size is wrong by ten per cent and more in the corners that a classifier cuts on, and wrong there
    in the same way at neighbouring masses. An event that is encoded at its own mass and decoded at another one meets
    that error twice, in opposite directions. What is left is the change of the density between the two masses that the
    flow gets wrong, of which the part linear in ln m cancels between both sides, see `Bracketing`. The price is that
    the template holds no more information than the events within `reach`, a factor in mass from the edge of the gap:
    `origins` says which events are copies.

    Negative weights are no probabilities by which an event could be chosen: where there are any, events are draws of
    the flow. `generator` is the specification of the flow. After `fit`: `flow_`, and `mixing_`, its events or None.
    """

    kind: ClassVar[str] = "event_transport"

    generator: dict[str, Any] = field(default_factory=lambda: {"kind": "autoregressive_spline"})
    reach: float = 1.2

    def __post_init__(self) -> None:
        require_reach(self.kind, self.reach)
        inner = create(self.generator) if isinstance(self.generator, Mapping) else self.generator
        if not isinstance(inner, TabularGenerator):
            raise HyperparameterError(
                f"generator of {self.kind}: '{getattr(inner, 'kind', inner)}' does not generate feature vectors along "
                "a flow; take one such as autoregressive_spline."
            )
        with torch.random.fork_rng(devices=[]):
            followed = isinstance(inner.build((2,), 1), Invertible)
        if not followed:
            raise HyperparameterError(f"generator of {self.kind}: {cannot(inner)}")
        self.inner = inner
        self.generator = {"kind": inner.kind, **inner.hyperparameters()}

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
        """Learn from x (N, D), masses (N, 1) and weights (N,), which must not be negative.

        Raises
        ------
        NonFiniteInputError, ShapeError, TooFewRowsError, ContextRangeError, WeightError, ConstantFeatureError
            Before anything changes.
        DivergedError, CheckpointError
            From the training; what was fitted before stays.
        """
        flow = copy.copy(self.inner).fit(x, context, weights=weights, seed=seed, monitor=monitor, checkpoint=checkpoint)
        self._take(flow, self._mixing(x, context, weights, seed=seed))
        return self

    @classmethod
    def along(
        cls, flow: TabularGenerator[Any], x: Array, context: Array, *, weights: Array | None = None, reach: float
    ) -> Self:
        """Along a flow that is fitted already, for events x (N, D) with masses (N, 1) and weights (N,).

        Raises
        ------
        HyperparameterError, NonFiniteInputError, ShapeError, TooFewEventsError, ContextRangeError
            As `create` and `fit`.
        """
        made = cls(generator={"kind": flow.kind, **flow.hyperparameters()}, reach=reach)
        made._take(flow, made._mixing(x, context, weights, seed=flow.seed_))
        return made

    def sample(self, context: Array, *, seed: int) -> NDArray[np.float32]:
        """One moved training event per mass: (T, 1) -> (T, D).

        Raises
        ------
        ContextRangeError
            If there is no training event on one side of a mass.
        """
        self._require_fit()
        if self.mixing_ is None:
            return self.flow_.sample(context, seed=seed)
        chosen = self.mixing_.origins(context, seed=seed)
        start = self.mixing_.bracketing_.mass[chosen, None]
        return transport(self.flow_, self.mixing_.events_[chosen], start, context)

    def transport(self, x: Array, start: Array, end: Array) -> NDArray[np.float32]:
        """Move events x (N, D) from masses `start` (N, 1) to `end` (N, 1) as `sample` does: (N, D)."""
        self._require_fit()
        return transport(self.flow_, x, start, end)

    def origins(self, context: Array, *, seed: int) -> NDArray[np.int64] | None:
        """Which training event `sample` moves with this seed, in the order of their masses: (T, 1) -> (T,)."""
        self._require_fit()
        return None if self.mixing_ is None else self.mixing_.origins(context, seed=seed)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        self._require_fit()
        return self.flow_.event_shape

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        return {"generator": copy.deepcopy(self.generator), "reach": self.reach}

    def state(self) -> dict[str, Tensor]:
        """What flow and events are restored from."""
        self._require_fit()
        events = {} if self.mixing_ is None else self.mixing_.state()
        return {f"flow.{name}": value for name, value in self.flow_.state().items()} | events

    def restore(self, state: dict[str, Tensor]) -> Self:
        """Take what `state` gave; the inverse of it."""
        flow = copy.copy(self.inner).restore(under("flow.", state))
        mixing = EventMixing(reach=self.reach).restore(state) if "events.events" in state else None
        self._take(flow, mixing)
        return self

    def _mixing(self, x: Array, context: Array, weights: Array | None, *, seed: int) -> EventMixing | None:
        if weights is not None and np.any(np.asarray(weights) < 0):
            return None
        return EventMixing(reach=self.reach).fit(x, context, weights=weights, seed=seed)

    def _take(self, flow: TabularGenerator[Any], mixing: EventMixing | None) -> None:
        self.flow_, self.mixing_ = flow, mixing
        self.seed_, self.data_hash_ = flow.seed_, getattr(flow, "data_hash_", None)
        self.train_losses_, self.validation_losses_ = flow.train_losses_, flow.validation_losses_
        self.best_epochs_ = flow.best_epochs_

    def _require_fit(self) -> None:
        if not hasattr(self, "flow_"):
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit or load a saved one.")
