"""Ensembles of histogram-gradient-boosted trees, the default classifier of a search."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import TooFewEventsError
from cathode.classifiers.boosting import BinnedRows, Growth, boosted
from cathode.classifiers.forest import MAX_BOXES, Forest, Trees, bin_edges, bin_numbers
from cathode.classifiers.parallel import default_jobs, ordered_map
from cathode.classifiers.protocol import Monitor
from cathode.classifiers.rows import Rows, balanced, finite_rows, training_rows
from cathode.classifiers.storage import load_folder, restoring, save_folder
from cathode.errors import ConfigError
from generators.errors import NotFittedError
from generators.parameters import Parameters


@dataclass(kw_only=True, eq=False)
class BoostedTrees(Parameters):
    """Mean probability of boosted trees, each trained on its own random half (Finke et al., 2309.13111).

    Every member splits the rows anew, within each kind, into training rows and validation rows, grows trees of
    `max_leaf_nodes` on the first and stops when the log-loss of the second has not fallen for `patience` trees. As in
    the paper the trees after the best one stay: a member is overtrained, the mean is not. Data and template get equal
    weight, multiplied by the event weights, in both halves. All members share `max_bins` bins of equal weight.

    `jobs` threads (None: all cores, see `default_jobs`) do not change a result. After `fit`: `forest_`,
    `validation_losses_` (per member, the first entry without any tree), `features_`, `seed_`.

    >>> rng = np.random.default_rng(1)
    >>> y = np.repeat([1, 0], 100)
    >>> x = rng.normal(y[:, None], 1, (200, 2))
    >>> trees = BoostedTrees(members=1, max_iter=3, jobs=1).fit(x, y, seed=1)
    >>> bool(trees.score(x[:100]).mean() > trees.score(x[100:]).mean())
    True
    """

    kind: ClassVar[str] = "boosted_trees"

    members: int = 50
    max_iter: int = 200
    learning_rate: float = 0.1
    max_leaf_nodes: int = 31
    min_samples_leaf: int = 20
    l2_regularization: float = 0.0
    max_bins: int = 255
    validation_fraction: float = 0.5
    patience: int = 10
    jobs: int | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("members", 1, None),
            ("max_iter", 1, None),
            ("max_leaf_nodes", 2, MAX_BOXES),
            ("min_samples_leaf", 1, None),
            ("max_bins", 2, 255),
            ("patience", 1, None),
            ("jobs", 1, None),
        ):
            value = getattr(self, name)
            if value is not None and not (low <= value and (high is None or value <= high)):
                raise ConfigError(
                    f"boosted_trees: {name} = {value} must be at least {low}"
                    + (f" and at most {high}." if high else ".")
                )
        if not self.learning_rate > 0:
            raise ConfigError(f"boosted_trees: learning_rate = {self.learning_rate} must be positive.")
        if not self.l2_regularization >= 0:
            raise ConfigError(f"boosted_trees: l2_regularization = {self.l2_regularization} must not be negative.")
        if not 0 < self.validation_fraction < 1:
            raise ConfigError(
                f"boosted_trees: validation_fraction = {self.validation_fraction} must lie between 0 and 1."
            )

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        seed: int,
        monitor: Monitor | None = None,
    ) -> Self:
        """Learn from x (N, D), y (N,) and event weights (N,); `monitor` gets how many members are done.

        Raises
        ------
        ClassifierInputError, NonFiniteError, TooFewEventsError, ConstantFeatureError
            As `training_rows`, before anything changes.
        """
        rows = training_rows(x, y, weights)
        self._refuse_few(rows)
        edges = bin_edges(rows.x, rows.weights, self.max_bins)
        bins = bin_numbers(rows.x, edges)
        streams = np.random.SeedSequence(seed).spawn(self.members)
        used = [len(inner) + 1 for inner in edges]
        trained = ordered_map(
            lambda stream: self._member(bins, used, rows, np.random.default_rng(stream)),
            streams,
            jobs=min(self.members, self.jobs or default_jobs()),
            finished=monitor,
        )
        self.forest_ = Forest(edges, tuple(trees for trees, _ in trained))
        self.validation_losses_ = [losses for _, losses in trained]
        self.features_, self.seed_ = rows.x.shape[1], seed
        return self

    def score(self, x: ArrayLike) -> NDArray[np.float64]:
        """Mean probability of data for x (M, D), (M,)."""
        self._require_fit()
        return self.forest_.score(finite_rows(x, self.features_), jobs=self.jobs or default_jobs())

    def of_members(self, chosen: Sequence[int]) -> Self:
        """The ensemble of these of its members."""
        self._require_fit()
        found = dataclasses.replace(self, members=len(chosen))
        found.forest_ = Forest(self.forest_.edges, tuple(self.forest_.members[number] for number in chosen))
        found.validation_losses_ = [self.validation_losses_[number] for number in chosen]
        found.features_, found.seed_ = self.features_, self.seed_
        return found

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments that decide a result: all but `jobs`."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "jobs"}

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the trees to a folder, which appears or is replaced as a whole."""
        self._require_fit()
        arrays = self.forest_.to_arrays()
        arrays["losses"] = np.concatenate(self.validation_losses_)
        return save_folder(folder, self.kind, self.hyperparameters(), self.seed_, arrays)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """What `save` wrote.

        Raises
        ------
        ClassifierFolderError
            If a file is missing, was altered, or is not of this kind.
        """
        card, arrays = load_folder(folder, cls.kind)
        with restoring(folder, card, arrays):
            loaded = cls(**card.hyperparameters)
            loaded.forest_ = Forest.from_arrays(arrays)
            ends = np.cumsum(arrays["trees"] + 1)[:-1]
            if len(arrays["losses"]) != int((arrays["trees"] + 1).sum()):
                raise ValueError("there is not one loss for every tree and one before")
            loaded.validation_losses_ = np.split(arrays["losses"], ends)
        loaded.features_, loaded.seed_ = len(loaded.forest_.edges), card.seed
        return loaded

    def _member(
        self, bins: NDArray[np.uint8], used: Sequence[int], rows: Rows, rng: np.random.Generator
    ) -> tuple[Trees, NDArray[np.float64]]:
        """Trees of one member and its validation losses; `used` is the number of bins of each feature."""
        halves = [
            BinnedRows(bins[chosen], rows.y[chosen], balanced(rows.y[chosen], rows.weights[chosen]))
            for chosen in split(rows.y, self.validation_fraction, rng)
        ]
        return boosted(
            halves[0],
            halves[1],
            used,
            Growth(
                max_leaf_nodes=self.max_leaf_nodes,
                min_samples_leaf=self.min_samples_leaf,
                l2_regularization=self.l2_regularization,
                shrinkage=self.learning_rate,
            ),
            max_iter=self.max_iter,
            patience=self.patience,
        )

    def _refuse_few(self, rows: Rows) -> None:
        training = (1 - self.validation_fraction) * len(rows)
        if training < 2 * self.min_samples_leaf:
            raise TooFewEventsError(
                f"{len(rows)} rows leave {int(training)} to train on; with min_samples_leaf = {self.min_samples_leaf} "
                f"a tree needs at least {2 * self.min_samples_leaf}."
            )

    def _require_fit(self) -> None:
        if not hasattr(self, "forest_"):
            raise NotFittedError("BoostedTrees has not been fitted; call fit, or load a saved one.")


def split(
    y: NDArray[np.bool_], fraction: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows for training and rows for validation: disjoint, complete, with `fraction` of each kind in the second."""
    parts: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for kind in (True, False):
        order = rng.permutation(np.flatnonzero(y == kind))
        n = min(max(1, round(fraction * len(order))), len(order) - 1)
        parts[0].append(order[n:])
        parts[1].append(order[:n])
    training, validation = (np.sort(np.concatenate(part)) for part in parts)
    return training, validation
