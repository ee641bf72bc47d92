"""Training events themselves, from both sides of a mass: a template without a training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.artifact import fingerprint
from generators.context import as_columns
from generators.errors import NotFittedError
from generators.parameters import Parameters
from generators.protocols import Array, Monitor
from generators.registry import register
from generators.tabular.bracketing import Bracketing, masses_of, require_reach
from generators.usable_rows import check_rows, event_weights


@register
@dataclass(kw_only=True, eq=False)
class EventMixing(Parameters):
    """Events from both sides of the mass as they are, mixed with weights that are linear in ln m; see `Bracketing`.

    The baseline that every learned density has to beat: it has no density error at all, only that of the straight line
    across the window. Events may have any shape. `reach` is the factor in mass, from the edge of the gap, within which
    events are used. After `fit`: `events_` (N, *event) in the order of their masses, `bracketing_`.
    """

    kind: ClassVar[str] = "event_mixing"

    reach: float = 1.2

    def __post_init__(self) -> None:
        require_reach(self.kind, self.reach)

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
        """Keep x (N, *event) with masses (N, 1) and weights (N,), which must not be negative; zero is left out.

        Raises
        ------
        NonFiniteInputError, ShapeError, TooFewRowsError, ContextRangeError, WeightError
            Before anything changes.
        """
        w, context = event_weights(x, weights), as_columns(context)
        check_rows(x, context, w)
        used = np.flatnonzero(w)
        mass = masses_of(np.asarray(context)[used])
        order = np.argsort(mass, kind="stable")
        bracketing = Bracketing.of(mass[order], w[used][order], self.reach)
        self._take(np.asarray(x, np.float32)[used][order], bracketing)
        self.seed_, self.data_hash_ = seed, fingerprint(x, context, weights)
        return self

    def sample(self, context: Array, *, seed: int) -> NDArray[np.float32]:
        """One training event per mass: (T, 1) -> (T, *event).

        Raises
        ------
        ContextRangeError
            If there is no training event on one side of a mass.
        """
        origins = self.origins(context, seed=seed)
        chosen: NDArray[np.float32] = self.events_[origins]
        return chosen

    def origins(self, context: Array, *, seed: int) -> NDArray[np.int64]:
        """Which training event `sample` takes with this seed, in the order of their masses: (T, 1) -> (T,)."""
        self._require_fit()
        return self.bracketing_.choose(masses_of(context), seed=seed)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        self._require_fit()
        return self.events_.shape[1:]

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        return dataclasses.asdict(self)

    def state(self) -> dict[str, Tensor]:
        """The events, their masses and the sum of their weights."""
        self._require_fit()
        kept = {"events": self.events_, "mass": self.bracketing_.mass, "cumulative": self.bracketing_.cumulative}
        return {f"events.{name}": torch.as_tensor(value) for name, value in kept.items()}

    def restore(self, state: dict[str, Tensor]) -> Self:
        """Take what `state` gave; the inverse of it."""
        bracketing = Bracketing(state["events.mass"].numpy(), state["events.cumulative"].numpy(), self.reach)
        self._take(state["events.events"].numpy(), bracketing)
        return self

    def _take(self, events: NDArray[np.float32], bracketing: Bracketing) -> None:
        self.events_, self.bracketing_ = events, bracketing
        # Nothing was trained.
        self.train_losses_: list[float] = []
        self.validation_losses_: list[float] = []
        self.best_epochs_: list[int] = []

    def _require_fit(self) -> None:
        if not hasattr(self, "events_"):
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit or load a saved one.")
