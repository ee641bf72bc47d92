"""Any classifier of scikit-learn, as it is."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cathode.classifiers.protocol import Monitor, register
from cathode.classifiers.rows import balanced, finite_rows, training_rows
from cathode.classifiers.storage import load_folder, restoring, save_folder
from cathode.errors import ConfigError
from generators.errors import NotFittedError
from generators.parameters import Parameters

#: Rows of which a loaded estimator has to give the scores that it had.
_COMPARED = 256


@register
@dataclass(kw_only=True, eq=False)
class ScikitLearn(Parameters):
    """An estimator of scikit-learn with `predict_proba`; event weights go in as `sample_weight`.

    `estimator` is the path of a class, such as "sklearn.ensemble.RandomForestClassifier", or in Python an estimator,
    which is cloned and never changed; `settings` are arguments of its constructor. If it has a `random_state`, that is
    the seed of the fit.

    Estimators can be stored only as code that is executed when it is read, which this package does not do. What is
    stored is what it was fitted to: `load` fits it again, and refuses one that does not give the same scores.

    After `fit`: `model_`, `seed_`.
    """

    kind: ClassVar[str] = "scikit_learn"

    estimator: Any = "sklearn.ensemble.RandomForestClassifier"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.estimator, str):
            given = self.estimator
            # Those that were chosen; the others are as they always are.
            usual = inspect.signature(type(given)).parameters
            said = {
                name: value
                for name, value in given.get_params(deep=False).items()
                if name not in usual or not _same(value, usual[name].default)
            }
            self.settings = {**said, **self.settings}
            self.estimator = f"{type(given).__module__}.{type(given).__qualname__}"
        self.settings = dict(self.settings)
        self._made(0)

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        seed: int,
        monitor: Monitor | None = None,
    ) -> Self:
        """Learn from x (N, D), y (N,) and event weights (N,).

        Raises
        ------
        ClassifierInputError, NonFiniteError, TooFewEventsError, ConstantFeatureError
            As `training_rows`, before anything changes.
        """
        rows = training_rows(x, y, weights)
        self._take(np.asarray(rows.x), np.asarray(rows.y), balanced(rows.y, rows.weights), seed)
        if monitor is not None:
            monitor(1, 1)
        return self

    def score(self, x: ArrayLike) -> NDArray[np.float64]:
        """Probability of data for x (M, D), (M,)."""
        self._require_fit()
        rows = finite_rows(x, self.x_.shape[1])
        if len(rows) == 0:
            return np.empty(0)
        return np.asarray(self.model_.predict_proba(rows)[:, 1], np.float64)

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"estimator": self.estimator, "settings": dict(self.settings)}

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write what it was fitted to to a folder, which appears or is replaced as a whole."""
        self._require_fit()
        arrays = {"x": self.x_, "y": self.y_.astype(np.uint8), "weights": self.weights_}
        arrays["scores"] = self.score(self.x_[:_COMPARED])
        return save_folder(folder, self.kind, self.hyperparameters(), self.seed_, arrays)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """What `save` wrote, fitted again.

        Raises
        ------
        ClassifierFolderError
            If a file is missing, was altered, is not of this kind, or the scores differ from those that were stored.
        """
        card, arrays = load_folder(folder, cls.kind)
        with restoring(folder, card, arrays):
            loaded = cls(**card.hyperparameters)
            loaded._take(arrays["x"], arrays["y"].astype(bool), arrays["weights"], card.seed)
            if not np.array_equal(loaded.score(arrays["x"][:_COMPARED]), arrays["scores"]):
                raise ValueError(
                    f"{loaded.estimator} fitted again gives other scores: it is random in a way that random_state does "
                    "not decide, or of another version"
                )
        return loaded

    def _take(self, x: NDArray[Any], y: NDArray[np.bool_], weights: NDArray[np.float64], seed: int) -> None:
        model = self._made(seed)
        model.fit(x, y.astype(np.int8), sample_weight=weights)
        self.model_, self.seed_ = model, seed
        self.x_, self.y_, self.weights_ = x, y, weights

    def _made(self, seed: int) -> Any:
        """A fresh estimator with this seed."""
        module, _, name = self.estimator.rpartition(".")
        if module.split(".")[0] != "sklearn":
            raise ConfigError(
                f"scikit_learn: '{self.estimator}' is no class of scikit-learn; name one such as "
                "sklearn.ensemble.RandomForestClassifier, or write a classifier as in docs/extending.md."
            )
        try:
            cls = getattr(importlib.import_module(module), name)
            model = cls(**self.settings)
        except (ImportError, AttributeError, TypeError) as error:
            raise ConfigError(f"scikit_learn: {self.estimator} with {dict(self.settings)}: {error}") from error
        if not hasattr(model, "predict_proba"):
            raise ConfigError(f"scikit_learn: {self.estimator} has no predict_proba, so it gives no score.")
        if "sample_weight" not in inspect.signature(model.fit).parameters:
            raise ConfigError(f"scikit_learn: {self.estimator} takes no sample_weight; event weights would be ignored.")
        if "random_state" in model.get_params(deep=False) and "random_state" not in self.settings:
            model.set_params(random_state=seed % 2**32)
        return model

    def _require_fit(self) -> None:
        if not hasattr(self, "model_"):
            raise NotFittedError("ScikitLearn has not been fitted; call fit, or load a saved one.")


def _same(value: Any, usual: Any) -> bool:
    try:
        return bool(value == usual) or value is usual
    except ValueError:
        return False
