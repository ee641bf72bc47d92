"""Boosting of trees on rows that are binned already, grown by scikit-learn.

Its estimator bins every member anew, computes the loss of what it trains on, and walks down every new tree for every
validation row; with a dozen trees to a member that is more work than growing them. So the loop is here, and only the
growing of a tree is scikit-learn's. That is no public part of it: what comes out is compared with what it says itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cathode.classifiers.forest import MAX_BINS, Boxes, Trees, boxes_of, joined, raw_scores
from cathode.errors import CathodeError

#: Rows on which the boxes of the trees are compared with what scikit-learn adds for its own.
_COMPARED = 256
#: A loss that falls by less has not fallen.
_TOLERANCE = 1e-7


@dataclass(frozen=True, eq=False)
class BinnedRows:
    """Bins (N, D), labels (N,) and weights (N,) of training or of validation rows."""

    bins: NDArray[np.uint8]
    y: NDArray[np.bool_]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Growth:
    """How a tree is grown; names as in scikit-learn, `shrinkage` is the learning rate."""

    max_leaf_nodes: int
    min_samples_leaf: int
    l2_regularization: float
    shrinkage: float


def boosted(
    training: BinnedRows,
    validation: BinnedRows,
    used: Sequence[int],
    growth: Growth,
    *,
    max_iter: int,
    patience: int,
) -> tuple[Trees, NDArray[np.float64]]:
    """Trees of one boosted classifier and its validation losses, the first of them without any tree.

    `used` is the number of bins of each feature. It ends when none of the last `patience` losses is below the one
    before them.

    Raises
    ------
    CathodeError
        If this version of scikit-learn grows trees in a way that this release can not read.
    """
    learned, held_out = _Loss(training), _Loss(validation)
    baseline = learned.baseline()
    raw, raw_held_out = (np.full(len(rows.y), baseline) for rows in (training, validation))
    grow = _Grower(training.bins, used, growth)
    columns = np.ascontiguousarray(validation.bins.T)
    losses = [held_out(raw_held_out)]
    found: list[Boxes] = []
    while len(found) < max_iter and not _stalled(losses, patience):
        boxes = grow(*learned.derivatives(raw), raw)
        found.append(boxes)
        joined([boxes], len(used), 0.0).add(columns, raw_held_out)
        losses.append(held_out(raw_held_out))
    trees = joined(found, len(used), baseline)
    if not np.allclose(
        raw_scores(trees, np.ascontiguousarray(training.bins[:_COMPARED].T)), raw[:_COMPARED], rtol=1e-9, atol=1e-12
    ):
        raise _unreadable()
    return trees, np.array(losses)


def _stalled(losses: Sequence[float], patience: int) -> bool:
    """Whether none of the last losses is below the one before them."""
    return len(losses) > patience and min(losses[-patience:]) >= losses[-patience - 1] - _TOLERANCE


class _Loss:
    """Mean log-loss of rows, and its derivatives by the logarithm of p / (1 − p)."""

    def __init__(self, rows: BinnedRows) -> None:
        from sklearn._loss.loss import HalfBinomialLoss

        self._loss = HalfBinomialLoss(sample_weight=rows.weights)
        self._y, self._weights = rows.y.astype(np.float64), rows.weights
        self._derivatives = self._loss.init_gradient_and_hessian(n_samples=len(rows.y), dtype=np.float32, order="F")

    def baseline(self) -> float:
        return float(np.ravel(self._loss.fit_intercept_only(y_true=self._y, sample_weight=self._weights))[0])

    def __call__(self, raw: NDArray[np.float64]) -> float:
        given = {"y_true": self._y, "raw_prediction": raw, "sample_weight": self._weights}
        return float(self._loss(**given, n_threads=1))

    def derivatives(self, raw: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """First and second derivatives (N,), in place of the ones before."""
        gradient, hessian = self._derivatives
        given = {"y_true": self._y, "raw_prediction": raw, "sample_weight": self._weights}
        self._loss.gradient_hessian(**given, gradient_out=gradient, hessian_out=hessian, n_threads=1)
        return gradient, hessian


class _Grower:
    """Grows one tree after another on the same bins (N, D)."""

    def __init__(self, bins: NDArray[np.uint8], used: Sequence[int], growth: Growth) -> None:
        self._fixed: dict[str, Any] = {
            "X_binned": np.asfortranarray(bins),
            # One more bin than there can be values, for missing ones, of which there are none.
            "n_bins": MAX_BINS,
            "n_bins_non_missing": np.array(used, np.uint32),
            "n_threads": 1,
            **asdict(growth),
        }
        self._thresholds = [_thresholds(column) for column in bins.T]

    def __call__(self, gradient: NDArray[np.float32], hessian: NDArray[np.float32], raw: NDArray[np.float64]) -> Boxes:
        """Boxes of a new tree; what it says of the training rows is added to `raw` (N,)."""
        try:
            from sklearn.ensemble._hist_gradient_boosting._gradient_boosting import _update_raw_predictions
            from sklearn.ensemble._hist_gradient_boosting.grower import TreeGrower

            grower = TreeGrower(gradients=gradient, hessians=hessian, **self._fixed)
            grower.grow()
            _update_raw_predictions(raw, grower, 1)
            nodes = grower.make_predictor(self._thresholds).nodes
        except (ImportError, TypeError, AttributeError) as error:
            raise _unreadable() from error
        return boxes_of(nodes, len(self._thresholds))


def _thresholds(bins: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The largest bin that goes left with each bin, (256,): half of the way to the next one that has training rows."""
    found = np.arange(MAX_BINS, dtype=np.float64)
    there = np.unique(bins)
    found[there[:-1]] = (there[:-1].astype(np.float64) + there[1:]) / 2
    return found


def _unreadable() -> CathodeError:
    import sklearn

    return CathodeError(
        f"scikit-learn {sklearn.__version__} grows trees in a way that this release can not read. Install the version "
        "in constraints.txt."
    )
