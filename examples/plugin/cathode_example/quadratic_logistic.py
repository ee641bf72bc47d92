"""Logistic regression on features and their squares."""

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from cathode.classifiers import register
from cathode.classifiers.rows import balanced, finite_rows, training_rows
from cathode.classifiers.storage import load_folder, save_folder
from generators.errors import NotFittedError


@register
@dataclass(kw_only=True, eq=False)
class QuadraticLogistic:
    """p(data | x) of a half-and-half mixture; `ridge` holds the coefficients, `steps` of Newton find them."""

    kind: ClassVar[str] = "quadratic_logistic"

    ridge: float = 1e-3
    steps: int = 15

    def fit(self, x, y, *, weights=None, seed, monitor=None):
        rows = training_rows(x, y, weights)
        centre, width = np.average(rows.x, axis=0, weights=rows.weights), rows.x.std(axis=0)
        design, w = self._design(rows.x, centre, width), balanced(rows.y, rows.weights)
        found = np.zeros(design.shape[1])
        for step in range(self.steps):
            p = expit(design @ found)
            slope = design.T @ (w * (rows.y - p)) - self.ridge * found
            curvature = (design.T * (w * p * (1 - p))) @ design + self.ridge * np.eye(len(found))
            found = found + np.linalg.solve(curvature, slope)
            if monitor is not None:
                monitor(step + 1, self.steps)
        self.coefficients_, self.centre_, self.width_, self.seed_ = found, centre, width, seed
        return self

    def score(self, x):
        self._require_fit()
        rows = finite_rows(x, features=len(self.centre_))
        return expit(self._design(rows, self.centre_, self.width_) @ self.coefficients_)

    @staticmethod
    def _design(x, centre, width):
        u = (x - centre) / width
        return np.column_stack([np.ones(len(u)), u, u**2])

    def _require_fit(self):
        if not hasattr(self, "coefficients_"):
            raise NotFittedError("quadratic_logistic must be fitted first.")

    def hyperparameters(self):
        return asdict(self)

    def save(self, folder):
        self._require_fit()
        learned = {name: getattr(self, f"{name}_") for name in ("coefficients", "centre", "width")}
        return save_folder(folder, self.kind, self.hyperparameters(), self.seed_, learned)

    @classmethod
    def load(cls, folder):
        card, arrays = load_folder(folder, cls.kind)
        loaded = cls(**card.hyperparameters)
        for name, value in arrays.items():
            setattr(loaded, f"{name}_", value)
        loaded.seed_ = card.seed
        return loaded
