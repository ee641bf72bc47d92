"""The rows of a training, checked once for every classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import NonFiniteError, TooFewEventsError
from analysis.weights import standardised
from cathode.classifiers.negative_weights import without_negative
from cathode.errors import ClassifierInputError
from generators.errors import ConstantFeatureError

#: Fewer rows of a kind than this can not be split into training and validation.
MINIMUM = 10


@dataclass(frozen=True, eq=False)
class Rows:
    """What a classifier learns from: x (N, *event), y (N,) bool, weights (N,) float64, of mean one in each kind."""

    x: NDArray[Any]
    y: NDArray[np.bool_]
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x)


def training_rows(x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> Rows:
    """Check x (N, D), y (N,) and weights (N,), and take the negative weights and the rows without weight out.

    A row of weight zero is as good as absent. Negative weights are cancelled against their neighbours of the same kind,
    see `without_negative`.

    Raises
    ------
    ClassifierInputError
        If shapes disagree, a label is neither 0 nor 1, or the weights of a kind do not sum to something positive.
    NonFiniteError
        If there is a NaN or infinity; names the column, how many and the first row.
    TooFewEventsError
        If there are fewer than 10 rows of a kind.
    ConstantFeatureError
        If a column has a single value.
    """
    features = finite_rows(x)
    rows = weighted_rows(features, y, weights, coordinates=lambda mine: mine)
    constant = np.flatnonzero(features.min(axis=0) == features.max(axis=0))
    if len(constant):
        column = int(constant[0])
        raise ConstantFeatureError(
            f"Column {column} of x has the single value {features[0, column]:g} in {len(features)} rows. Leave it out."
        )
    return rows


def weighted_rows(
    x: NDArray[Any],
    y: ArrayLike,
    weights: ArrayLike | None,
    *,
    coordinates: Callable[[NDArray[Any]], NDArray[np.float64]],
) -> Rows:
    """Rows of x (N, *event), which were checked, with y (N,) and weights (N,), which are checked here.

    `coordinates` gives (M, D) numbers for M events; what is near in them is near when negative weights are cancelled.

    Raises
    ------
    ClassifierInputError, NonFiniteError, TooFewEventsError
        As `training_rows`.
    """
    labels = _labels(y, len(x))
    w = np.ones(len(x)) if weights is None else np.array(weights, dtype=np.float64)
    if w.shape != labels.shape:
        raise ClassifierInputError(
            f"weights have shape {w.shape}; x has {len(x)} rows, so it must be one number per row."
        )
    refuse_non_finite("weights", w)
    for kind, name in ((True, "data (y = 1)"), (False, "template (y = 0)")):
        mine = labels == kind
        if np.count_nonzero(w[mine]) < MINIMUM:
            raise TooFewEventsError(
                f"{np.count_nonzero(w[mine])} {name} rows with a weight; a classifier needs at least {MINIMUM} of each."
            )
        if not w[mine].sum() > 0:
            raise ClassifierInputError(f"The weights of the {name} rows sum to {w[mine].sum():g}; it must be positive.")
        # Data and template are normalised apart: neither a bin nor a sum may depend on the unit of either.
        w[mine] = standardised(w[mine])
        if (w[mine] < 0).any():
            w[mine] = without_negative(coordinates(x[mine]), w[mine])
        w[mine & (w > 0)] = standardised(w[mine & (w > 0)])
    kept = w > 0
    return Rows(x[kept], labels[kept], w[kept]) if not kept.all() else Rows(x, labels, w)


def balanced(y: NDArray[np.bool_], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Event weights (N,) scaled so that data and template weigh the same and the mean is one."""
    data = weights[y].sum()
    template = weights[~y].sum()
    scaled: NDArray[np.float64] = weights * np.where(y, 0.5 * len(y) / data, 0.5 * len(y) / template)
    return scaled


def finite_rows(x: ArrayLike, features: int | None = None) -> NDArray[np.float64]:
    """Rows x as (N, D) float64, checked; with `features` D must be that.

    Raises
    ------
    ClassifierInputError, NonFiniteError
        As `training_rows`.
    """
    rows = np.asarray(x, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] < 1:
        raise ClassifierInputError(f"x has shape {rows.shape}; this classifier takes (rows, features).")
    if features is not None and rows.shape[1] != features:
        raise ClassifierInputError(f"x has {rows.shape[1]} features; the classifier was trained with {features}.")
    finite = np.isfinite(rows).all(axis=0)
    if not finite.all():
        column = int(np.argmin(finite))
        refuse_non_finite(f"x, column {column}", rows[:, column])
    return rows


def _labels(y: ArrayLike, rows: int) -> NDArray[np.bool_]:
    labels: NDArray[Any] = np.asarray(y)
    if labels.shape != (rows,):
        raise ClassifierInputError(f"y has shape {labels.shape}; x has {rows} rows, so it must be ({rows},).")
    wrong = ~np.isin(labels, (0, 1))
    if wrong.any():
        raise ClassifierInputError(
            f"y: {int(wrong.sum())} labels are neither 0 (template) nor 1 (data), the first is {labels[wrong][0]}."
        )
    return labels.astype(bool)


def refuse_non_finite(name: str, values: NDArray[Any]) -> None:
    """Refuse NaN and infinity in values (N,), which are called `name`.

    Raises
    ------
    NonFiniteError
        Names how many there are and the first row.
    """
    bad = ~np.isfinite(values)
    if bad.any():
        first = int(np.argmax(bad))
        raise NonFiniteError(
            f"{name}: {int(bad.sum())} of {len(values)} values are NaN or infinite (first in row {first}: "
            f"{values[first]}). Exclude them in the selection."
        )
