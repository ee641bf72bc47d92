"""Shapes of showers in layers of known energy, by any generator of feature vectors."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.artifact import fingerprint
from generators.base import under
from generators.bijections.base import uniform
from generators.context import as_columns, context_rows
from generators.errors import HyperparameterError, NotFittedError
from generators.factorised.base import generator_of
from generators.parameters import Parameters
from generators.protocols import Array, Monitor
from generators.registry import register
from generators.showers.energy_tree import EnergyTree
from generators.showers.given_energies import check_given, told
from generators.showers.normalised_voxels import NormalisedVoxels
from generators.showers.presets import photons
from generators.training.batches import in_copies

#: Showers that are drawn at once, over their number of voxels; bounds the memory whatever is asked for.
_AT_ONCE = 1 << 23


@register
@dataclass(kw_only=True, eq=False)
class VoxelShapes(Parameters):
    """Showers x (N, V) in GeV given the energies of their layers, by any `generator` of feature vectors.

    It learns the logits of voxels over the energy of their layer, see `NormalisedVoxels`, with noise in empty ones:
    the way of CaloFlow (2106.05285) and of most after it. What is drawn is scaled to the energies of the layers and
    cut. `layers` are [angles, rings]; `given` are the columns of the context with the energies of layers in GeV, above
    the threshold, and −1 the last column; other columns reach the generator as they are, but that in `incident`, if
    any, as the logarithm. Each shower is learned `turns` times, rotated by whole voxels and mirrored at random but for
    the first time; that is for particles that come along the axis. No shower is held out that is learned turned.

    The density of the generator is one of numbers of which there are more than dimensions, and depends on the noise.
    `score` gives its logarithm, to compare showers with each other; it is not log p(x), so there is no `log_prob`.
    """

    kind: ClassVar[str] = "voxel_shapes"

    layers: Sequence[Sequence[int]] = field(default_factory=photons)
    given: Sequence[int] = ()
    incident: int | None = 0
    noise: float = 1e-6
    threshold: float = 1e-3
    turns: int = 1
    generator: dict[str, Any] = field(default_factory=lambda: {"kind": "caloflow_teacher"})

    def __post_init__(self) -> None:
        tree = EnergyTree(self.layers, None)
        self.layers = [list(layer) for layer in self.layers]
        self.given = list(self.given) or list(range(-len(self.layers), 0))
        if len(self.given) != len(self.layers):
            raise HyperparameterError(
                f"given = {self.given} of {self.kind} must name one column of the context for each of "
                f"{len(self.layers)} layers."
            )
        if not self.turns >= 1:
            raise HyperparameterError(f"turns = {self.turns} of {self.kind} must be at least 1.")
        self.symmetries = tree.symmetries() if self.turns > 1 else torch.arange(tree.voxels)[None]
        self.voxels = NormalisedVoxels(tree.layer_sizes, noise=self.noise, threshold=self.threshold)
        inner = self.generator
        if isinstance(inner, Mapping) and inner.get("kind") == "caloflow_teacher":
            inner = {"groups": tree.layer_sizes, **inner}
        self.unfitted = generator_of(inner, f"generator of {self.kind}")
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
        """Learn from x (N, V), context (N, C) and optional event weights (N,).

        Raises
        ------
        NonFiniteInputError, ShapeError, TooFewRowsError
            Before anything changes; and what the generator raises.
        """
        w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
        context = as_columns(context)
        self._check(x, context, w)
        used = w != 0
        rows, raw = (torch.as_tensor(np.asarray(np.asarray(a)[used], np.float64)) for a in (x, context))
        rows = self._turned(rows, seed)
        z = self.voxels.logits(rows, uniform(rows, seed=seed))
        with in_copies(self.turns):
            generator = copy.deepcopy(self.unfitted).fit(
                z.numpy(),
                np.tile(self._told(raw), (self.turns, 1)),
                weights=None if weights is None else np.tile(w[used], self.turns),
                seed=seed,
                monitor=monitor,
                checkpoint=checkpoint,
            )
        self.fitted_, self.context_columns_ = generator, raw.shape[1]
        self.seed_, self.data_hash_ = seed, fingerprint(x, context, weights)
        return self

    def sample(self, context: Array, *, seed: int) -> NDArray[np.float32]:
        """Draw one shower per context row: (N, C) -> (N, V)."""
        raw = self._context(context)
        energies = raw[:, list(self.given)]
        z = np.asarray(self.fitted_.sample(self._told(raw), seed=seed))
        out = np.empty(z.shape, np.float32)
        for rows in np.array_split(np.arange(len(z)), max(1, z.size // _AT_ONCE)):
            out[rows] = self.voxels.voxels(torch.as_tensor(z[rows]).double(), energies[rows]).numpy()
        return out

    def score(self, x: Array, context: Array) -> NDArray[np.float64]:
        """The log-density (N,) that the generator gives to the logits of showers x (N, V), with noise of 1/2.

        Raises
        ------
        HyperparameterError
            If the generator knows none.
        """
        raw = self._context(context)
        if not hasattr(self.fitted_, "log_prob"):
            raise HyperparameterError(f"A '{self.fitted_.kind}' has no density that could be a score.")
        self._check(x, raw.numpy(), np.ones(len(x)), minimum=0)
        rows = torch.as_tensor(np.asarray(x, np.float64))
        z = self.voxels.logits(rows, torch.full_like(rows, 0.5))
        found: NDArray[np.float64] = self.fitted_.log_prob(z.numpy(), self._told(raw))
        return found

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event."""
        self._require_fit()
        return (sum(self.voxels.sizes),)

    @property
    def train_losses_(self) -> list[float]:
        """Those of the generator."""
        return list(getattr(self.fitted_, "train_losses_", []))

    @property
    def validation_losses_(self) -> list[float]:
        """Those of the generator."""
        return list(getattr(self.fitted_, "validation_losses_", []))

    @property
    def best_epochs_(self) -> list[int]:
        """Those of the generator."""
        return list(getattr(self.fitted_, "best_epochs_", []))

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        names = ("layers", "given", "incident", "noise", "threshold", "turns", "generator")
        return copy.deepcopy({name: getattr(self, name) for name in names})

    def state(self) -> dict[str, Tensor]:
        """Everything that was fitted, as named tensors."""
        self._require_fit()
        inner = {f"generator.{key}": value for key, value in self.fitted_.state().items()}
        return {**inner, "shape": torch.tensor([self.context_columns_, self.seed_])}

    def restore(self, state: dict[str, Tensor]) -> Self:
        """Take what `state` gave; the inverse of it."""
        self.context_columns_, self.seed_ = state["shape"].tolist()
        self.fitted_ = copy.deepcopy(self.unfitted).restore(under("generator.", state))
        return self

    def _turned(self, rows: Tensor, seed: int) -> Tensor:
        """All showers (N, V) and as many turned ones as are asked for, (turns · N, V)."""
        random = torch.Generator().manual_seed(seed)
        parts = [rows]
        for _ in range(self.turns - 1):
            chosen = torch.randint(len(self.symmetries), (len(rows),), generator=random)
            parts.append(rows.gather(1, self.symmetries[chosen]))
        return torch.cat(parts)

    def _told(self, raw: Tensor) -> NDArray[np.float64]:
        """What the generator gets of the context (N, C): energies of layers by their logarithms."""
        c = raw.clone()
        given = list(self.given)
        c[:, given] = told(c[:, given])
        if self.incident is not None:
            c[:, self.incident] = told(c[:, self.incident])
        return c.numpy()

    def _context(self, context: Array) -> Tensor:
        self._require_fit()
        return torch.as_tensor(context_rows(context, self.context_columns_))

    def _check(self, x: Array, context: Array, weights: NDArray[np.float64], minimum: int | None = None) -> None:
        check_given(
            x,
            context,
            weights,
            kind=self.kind,
            voxels=sum(self.voxels.sizes),
            given=self.given,
            incident=self.incident,
            threshold=self.threshold,
            energies=lambda rows: self.voxels.energies(torch.as_tensor(rows)).numpy(),
            minimum=minimum,
        )

    def _require_fit(self) -> None:
        if not hasattr(self, "fitted_"):
            raise NotFittedError(f"{type(self).__name__} has not been fitted; call fit or load a saved one.")
