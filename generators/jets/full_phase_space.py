"""Dijet events with all their constituents: from the mass to both jets to what they are made of (2310.06897)."""

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

from generators.artifact import fingerprint
from generators.base import under
from generators.errors import HyperparameterError, NotFittedError, ShapeError
from generators.jets.dijet_features import DijetFeatures, constituents_context, jets_of
from generators.jets.four_momenta import absolute, aligned, conforming, from_widths, in_widths, laid_anyhow, relative
from generators.protocols import Array, ConditionalGenerator, Monitor
from generators.registry import create, register
from generators.training.sequence import Stage, TrainingSequence
from generators.training.trained import identity_of
from generators.usable_rows import check_rows, relative_weights

#: Column of the context of constituents that holds their number.
_NUMBER = 2

#: The trainings, one after the other.
_STAGES = ("jets", "constituents")


@register
@dataclass(kw_only=True, eq=False)
class FullPhaseSpace:
    """All constituents of two jets given the mass of the pair: a chain of two generators.

    Events are (N, 2, P, F ≥ 3) of constituents (pT, η, φ, …), where one with pT = 0 is absent, and the first column of
    the context is the mass m_jj in the unit of pT. `jets` is the specification of a tabular generator. It learns
    p(both jets | m_jj) of sizes that do not scale with the mass, and the numbers of constituents, see `DijetFeatures`;
    one bijection makes them continuous. `constituents` is any generator of clouds. It learns p(constituents of a jet |
    both jets, m_jj) of jets on their own axis, in units of their own width and all lying alike, see `in_widths` and
    `aligned`; what is drawn is laid in any direction around its axis.

    What is drawn is moved onto the jets that it was asked for, see `conforming`, so that jets and m_jj that are
    computed from the constituents again are those of the first step. `mass_corrections_` holds median and standard
    deviation of the logarithm of the factor by which that changed the masses of the jets in the last call of `sample`.
    """

    kind: ClassVar[str] = "full_phase_space"

    jets: dict[str, Any] = field(
        default_factory=lambda: {
            "kind": "flow_matching",
            "bijection": {"kind": "chain", "bijections": ["dequantise", "quantile_normal"]},
        }
    )
    constituents: dict[str, Any] = field(default_factory=lambda: {"kind": "epic_fm"})

    def __post_init__(self) -> None:
        inner = {name: self._made(name, getattr(self, name)) for name in ("jets", "constituents")}
        if hasattr(inner["constituents"], "multiplicity"):
            inner["constituents"].multiplicity = _NUMBER
        for name, generator in inner.items():
            setattr(self, name, {"kind": generator.kind, **generator.hyperparameters()})
        self.unfitted = inner["jets"], inner["constituents"]

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
        """Learn from x (N, 2, P, F), context (N, C) and optional event weights (N,).

        `monitor` counts both trainings as equally long; either is continued from `checkpoint`, see `TrainingSequence`.

        Raises
        ------
        NonFiniteInputError, ShapeError, TooFewRowsError
            Before anything changes; and what the two generators raise.
        """
        w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
        _check(x, context, w)
        data_hash = fingerprint(x, context, weights)
        w = relative_weights(w)
        used = w != 0
        events, raw = (torch.as_tensor(np.asarray(a, np.float64)[used]) for a in (x, context))
        jets, counts = jets_of(events)
        features = DijetFeatures.of(jets, counts, raw[:, 0], torch.as_tensor(w[used]))
        first, second = (int(s.generate_state(1)[0]) for s in np.random.SeedSequence(seed).spawn(2))
        kept = features.columns(jets, counts, raw[:, 0]).numpy()
        identity = identity_of([self.hyperparameters(), seed, data_hash])
        sequence = TrainingSequence(_STAGES, identity=identity, monitor=monitor, checkpoint=checkpoint)
        unfitted = copy.deepcopy(self.unfitted)
        trained = sequence.run(_stage("jets", unfitted[0], kept, raw.numpy(), w[used], first))
        of_jets = constituents_context(jets, counts, raw[:, 0])
        clouds = aligned(in_widths(relative(events, jets), jets))
        both = clouds.flatten(0, 1).numpy(), of_jets.flatten(0, 1).numpy(), np.repeat(w[used], 2)
        filled = sequence.run(_stage("constituents", unfitted[1], *both, second))
        self.features_, self.points_, self.width_ = features, events.shape[2], events.shape[3]
        self.jets_, self.constituents_ = trained, filled
        self.seed_, self.data_hash_, self.context_columns_ = seed, data_hash, raw.shape[1]
        return self

    def sample(self, context: Array, *, seed: int) -> NDArray[np.float32]:
        """Draw one event per context row: (N, C) -> (N, 2, P, F)."""
        self._require_fit()
        c = np.asarray(context, np.float64)
        if c.ndim != 2 or c.shape[1] != self.context_columns_:
            raise ShapeError(f"context has shape {c.shape}; it must be (events, {self.context_columns_}).")
        first, second, third = (int(s.generate_state(1)[0]) for s in np.random.SeedSequence(seed).spawn(3))
        raw = torch.as_tensor(c)
        random = torch.Generator().manual_seed(third)
        laid = torch.rand(len(c), 2, generator=random, dtype=torch.float64)
        drawn = torch.as_tensor(np.asarray(self.jets_.sample(c, seed=first), np.float64))
        jets, counts = self.features_.jets(drawn, raw[:, 0], laid, self.points_)
        of_jets = constituents_context(jets, counts, raw[:, 0]).flatten(0, 1)
        clouds = torch.as_tensor(np.asarray(self.constituents_.sample(of_jets.numpy(), seed=second), np.float64))
        clouds = laid_anyhow(clouds, random)
        clouds = from_widths(clouds.reshape(-1, 2, *clouds.shape[1:]), jets)
        made, factor = conforming(clouds.flatten(0, 1), (jets.mass / jets.pt).flatten())
        if len(factor):
            self.mass_corrections_ = (float(factor.log().median()), float(factor.log().std(correction=0)))
        events = absolute(made.reshape(clouds.shape), jets)
        return events.float().numpy()

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        self._require_fit()
        return (2, self.points_, self.width_)

    @property
    def train_losses_(self) -> list[float]:
        """Those of the constituents, which take most of the training."""
        return list(getattr(self.constituents_, "train_losses_", []))

    @property
    def validation_losses_(self) -> list[float]:
        """Those of the constituents."""
        return list(getattr(self.constituents_, "validation_losses_", []))

    @property
    def best_epochs_(self) -> list[int]:
        """Those of the constituents."""
        return list(getattr(self.constituents_, "best_epochs_", []))

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        return {"jets": copy.deepcopy(self.jets), "constituents": copy.deepcopy(self.constituents)}

    def state(self) -> dict[str, Tensor]:
        """Everything that was fitted, as named tensors."""
        self._require_fit()
        out = {f"features.{key}": value for key, value in self.features_.state().items()}
        for name in ("jets", "constituents"):
            out |= {f"{name}.{key}": value for key, value in getattr(self, f"{name}_").state().items()}
        shape = torch.tensor([self.points_, self.width_, self.context_columns_, self.seed_])
        return {**out, "shape": shape}

    def restore(self, state: dict[str, Tensor]) -> Self:
        """Take what `state` gave; the inverse of it."""
        self.features_ = DijetFeatures.from_state(under("features.", state))
        self.jets_, self.constituents_ = (
            inner.restore(under(f"{name}.", state))
            for name, inner in zip(("jets", "constituents"), copy.deepcopy(self.unfitted), strict=True)
        )
        self.points_, self.width_, self.context_columns_, self.seed_ = state["shape"].tolist()
        return self

    def _made(self, name: str, specification: Any) -> Any:
        generator = create(specification) if isinstance(specification, Mapping) else specification
        if not isinstance(generator, ConditionalGenerator):
            raise HyperparameterError(f"{name} of {self.kind}: '{specification}' is no generator.")
        return generator

    def _require_fit(self) -> None:
        if not hasattr(self, "jets_"):
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit or load a saved one.")


def _stage(name: str, generator: Any, x: Array, context: Array, weights: Array, seed: int) -> Stage[Any]:
    """The training of one of both generators."""

    def fit(monitor: Monitor | None, checkpoint: Path | None) -> Any:
        return generator.fit(x, context, weights=weights, seed=seed, monitor=monitor, checkpoint=checkpoint)

    return Stage(
        name,
        fit,
        to_tree=lambda fitted: fitted.state(),
        from_tree=generator.restore,
        length=lambda fitted: len(getattr(fitted, "train_losses_", ())),
    )


def _check(x: Array, context: Array, weights: NDArray[np.float64]) -> None:
    shape = np.shape(x)
    if len(shape) != 4 or shape[1] != 2 or shape[3] < 3:
        raise ShapeError(
            f"x must be (N, 2, P, F) with the constituents (pT, η, φ, …) of two jets; it is {shape}. Read events with "
            "their constituents."
        )
    check_rows(x, context, weights)
    used = weights != 0
    if np.shape(context)[1] < 1 or not (np.asarray(context)[used, 0] > 0).all():
        raise ShapeError("The first column of the context must be the mass of the pair, which is positive.")
    empty: NDArray[np.bool_] = np.all(np.asarray(x)[used, :, :, 0] <= 0, axis=2)
    if empty.any():
        raise ShapeError(
            f"{int(empty.sum())} jets have no constituents (first in event {int(np.argmax(np.any(empty, axis=1)))}). "
            "Exclude such events in the selection."
        )
