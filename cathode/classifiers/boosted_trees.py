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
from cathode.classifiers.forest import (
    MAX_BOXES,
    Forest,
    Trees,
    bin_edges,
    bin_numbers,
    boxes_of,
    joined,
    raw_scores,
)
from cathode.classifiers.parallel import default_jobs, ordered_map
from cathode.classifiers.protocol import Monitor
from cathode.classifiers.rows import Rows, balanced, finite_rows, training_rows
from cathode.classifiers.storage import load_folder, restoring, save_folder
from cathode.errors import CathodeError, ConfigError
from generators.errors import NotFittedError

#: Rows on which the boxes read from scikit-learn are compared with its own answer.
_COMPARED = 256


@dataclass(kw_only=True, eq=False)
class BoostedTrees:
    """Mean probability of boosted trees, each trained on its own random half (Finke et al., 2309.13111).

    Every member splits the rows anew, within each kind, into training rows and validation rows, grows trees of
    `max_leaf_nodes` on the first and stops when the log-loss of the second has not fallen for `patience` trees. As in
    the paper the trees after the best one stay: a member is overtrained, the mean is not. Data and template get equal
    weight, multiplied by the event weights, in both halves. Rows are put into `max_bins` bins of equal weight once, not
    once per member: with weights that is most of the time of scikit-learn's own fit.

    `jobs` threads (None: all cores, see `default_jobs`) do not change a result. After `fit`: `forest_`,
    `validation_losses_` (per member, the first entry without any tree), `features_`, `seed_`.
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
        trained = ordered_map(
            lambda stream: self._member(bins, rows, np.random.default_rng(stream)),
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
        self, bins: NDArray[np.uint8], rows: Rows, rng: np.random.Generator
    ) -> tuple[Trees, NDArray[np.float64]]:
        """Trees of one member and its validation losses."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        training, validation = split(rows.y, self.validation_fraction, rng)
        model = HistGradientBoostingClassifier(
            max_iter=self.max_iter,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
            l2_regularization=self.l2_regularization,
            max_bins=255,
            categorical_features=None,
            early_stopping=True,
            n_iter_no_change=self.patience,
            random_state=int(rng.integers(2**31)),
        )
        # Not more values than bins: scikit-learn keeps such columns as they are.
        training_x, validation_x = bins[training].astype(np.float64), bins[validation].astype(np.float64)
        model.fit(
            training_x,
            rows.y[training].astype(np.int8),
            sample_weight=balanced(rows.y[training], rows.weights[training]),
            X_val=validation_x,
            y_val=rows.y[validation].astype(np.int8),
            sample_weight_val=balanced(rows.y[validation], rows.weights[validation]),
        )
        found = [boxes_of(stage[0].nodes, bins.shape[1]) for stage in model._predictors]
        trees = joined(found, bins.shape[1], float(np.ravel(model._baseline_prediction)[0]))
        _compare(trees, model, bins[validation[:_COMPARED]])
        # scikit-learn keeps scores, of which larger is better: the negative losses.
        return trees, -np.asarray(model.validation_score_)

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


def _compare(trees: Trees, model: Any, bins: NDArray[np.uint8]) -> None:
    """The boxes must answer as scikit-learn does: they are read from its internals, which a new version may change."""
    if not np.allclose(
        raw_scores(trees, bins), model.decision_function(bins.astype(np.float64)), rtol=1e-9, atol=1e-12
    ):
        import sklearn

        raise CathodeError(
            f"scikit-learn {sklearn.__version__} stores its trees in a way that this release can not read. Install the "
            "version in constraints.txt."
        )
