"""A density without a network: each feature is normal around a linear function of the features before it."""

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import torch

from generators import fingerprint
from generators.context import as_columns
from generators.errors import ConstantFeatureError, NotFittedError, ShapeError
from generators.registry import register
from generators.tabular.base import check_features


@register
@dataclass(kw_only=True, eq=False)
class LinearGaussian:
    """Means and log-widths are polynomials of this `degree` in the context; fitted in `iterations` steps of Newton."""

    kind: ClassVar[str] = "linear_gaussian"

    degree: int = 2
    iterations: int = 30

    def fit(self, x, context, *, weights=None, seed, monitor=None, checkpoint=None):
        x, context = np.asarray(x, np.float64), as_columns(context).astype(np.float64)
        w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
        check_features(x, context, w)
        hash_ = fingerprint(x, context, weights)
        x, context, w = x[w != 0], context[w != 0], w[w != 0]
        for column in np.flatnonzero(x.min(axis=0) == x.max(axis=0)):
            raise ConstantFeatureError(f"x, column {column} has the single value {x[0, column]:g}. Leave it out.")
        self.data_hash_, self.seed_ = hash_, seed
        width = context.std(axis=0)
        self.context_ = np.stack([context.mean(axis=0), np.where(width > 0, width, 1.0)])
        basis = self._basis(context)
        self.mean_, self.log_width_ = (np.zeros((x.shape[1], n)) for n in (basis.shape[1] + x.shape[1], basis.shape[1]))
        for feature in range(x.shape[1]):
            self._fit_one(feature, basis, x, w)
        return self

    def _fit_one(self, feature, basis, x, w):
        """Likelihood of one feature: Newton in turn for the mean and, by Fisher's information, for the log-width."""
        before = np.column_stack([basis, x[:, :feature]])
        mean, log_width = np.zeros(before.shape[1]), np.zeros(basis.shape[1])
        log_width[0] = np.log(x[:, feature].std())
        for _ in range(self.iterations):
            precision = w * np.exp(-2 * basis @ log_width)
            mean = solved(before, precision, precision * x[:, feature])
            pull = (x[:, feature] - before @ mean) ** 2 * np.exp(-2 * basis @ log_width)
            log_width = log_width + solved(basis, w, 0.5 * w * np.clip(pull - 1, -1, 3))
        self.mean_[feature, : before.shape[1]], self.log_width_[feature] = mean, log_width

    def sample(self, context, *, seed):
        basis = self._basis(self._checked(context))
        noise = np.random.default_rng(seed).standard_normal((len(basis), len(self.mean_)))
        x = np.zeros_like(noise)
        for feature, log_width in enumerate(self.log_width_):
            mean = np.column_stack([basis, x]) @ self.mean_[feature]
            x[:, feature] = mean + np.exp(basis @ log_width) * noise[:, feature]
        return x

    def log_prob(self, x, context):
        context, x = self._checked(context), np.asarray(x, np.float64)
        basis = self._basis(context)
        check_features(x, context, np.ones(len(x)), minimum=0)
        if x.shape[1] != len(self.mean_):
            raise ShapeError(f"x has {x.shape[1]} features; this density was fitted with {len(self.mean_)}.")
        log_width = basis @ self.log_width_.T
        pull = (x - np.column_stack([basis, x]) @ self.mean_.T) * np.exp(-log_width)
        return -(0.5 * pull**2 + 0.5 * np.log(2 * np.pi) + log_width).sum(axis=1)

    def _checked(self, context):
        if not hasattr(self, "mean_"):
            raise NotFittedError("linear_gaussian must be fitted first.")
        context = as_columns(context).astype(np.float64)
        check_features(np.zeros((len(context), 1)), context, np.ones(len(context)), minimum=0)
        if context.shape[1] != self.context_.shape[1]:
            raise ShapeError(f"context has {context.shape[1]} columns; the fit had {self.context_.shape[1]}.")
        return context

    def _basis(self, context):
        c = (context - self.context_[0]) / self.context_[1]
        return np.column_stack([np.ones(len(c)), *(c**power for power in range(1, self.degree + 1))])

    @property
    def event_shape(self):
        return (len(self.mean_),)

    def hyperparameters(self):
        return asdict(self)

    def state(self):
        if not hasattr(self, "mean_"):
            raise NotFittedError("linear_gaussian must be fitted first.")
        return {name: torch.tensor(getattr(self, name)) for name in ("mean_", "log_width_", "context_")}

    def restore(self, state):
        for name, value in state.items():
            setattr(self, name, value.numpy())
        return self


def solved(design, weights, target):
    """Weighted normal equations; a column that says nothing new gets nothing."""
    return np.linalg.lstsq((design.T * weights) @ design, design.T @ target, rcond=1e-12)[0]
