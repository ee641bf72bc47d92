"""Boosting on shared bins against scikit-learn's own estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cathode.classifiers.boosting import BinnedRows, Growth, boosted
from cathode.classifiers.forest import bin_edges, bin_numbers, raw_scores
from cathode.errors import CathodeError

GROWTH = Growth(max_leaf_nodes=31, min_samples_leaf=20, l2_regularization=0.3, shrinkage=0.1)
FEATURES = 3


def rows(number: int, seed: int, *, gaps_filled: bool = False) -> tuple[BinnedRows, list[int]]:
    rng = np.random.default_rng(seed)
    y = rng.random(number) < 0.3
    x = rng.normal(size=(number, FEATURES)) + 0.7 * y[:, None]
    # Bins without training rows lie between these values.
    x[:, 2] = np.round(x[:, 2]) + (0.4 * rng.random(number) if gaps_filled else 0.0)
    edges = bin_edges(np.random.default_rng(0).normal(size=(5000, FEATURES)), np.ones(5000), 60)
    return BinnedRows(bin_numbers(x, edges), y, rng.exponential(size=number)), [len(inner) + 1 for inner in edges]


@pytest.mark.parametrize(("max_iter", "patience"), [(40, 40), (200, 3)])
def test_trees_and_losses_are_those_of_scikit_learns_estimator(max_iter: int, patience: int) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    training, used = rows(4000, 1)
    validation, _ = rows(3000, 2, gaps_filled=True)
    trees, losses = boosted(training, validation, used, GROWTH, max_iter=max_iter, patience=patience)
    peer = HistGradientBoostingClassifier(
        max_iter=max_iter,
        l2_regularization=0.3,
        early_stopping=True,
        n_iter_no_change=patience,
        max_bins=255,
        random_state=3,
    )
    peer.fit(
        training.bins.astype(float),
        training.y,
        sample_weight=training.weights,
        X_val=validation.bins.astype(float),
        y_val=validation.y,
        sample_weight_val=validation.weights,
    )
    assert len(trees.boxes) == peer.n_iter_
    assert len(trees.boxes) == max_iter if patience == max_iter else patience < len(trees.boxes) < max_iter
    np.testing.assert_allclose(losses, -peer.validation_score_, rtol=1e-12)
    mine = raw_scores(trees, np.ascontiguousarray(validation.bins.T))
    np.testing.assert_allclose(mine, peer.decision_function(validation.bins.astype(float)), rtol=1e-12, atol=1e-13)


def test_what_another_version_calls_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.ensemble._hist_gradient_boosting import grower

    def renamed(**given: Any) -> None:
        raise TypeError("unexpected keyword argument 'shrinkage'")

    monkeypatch.setattr(grower, "TreeGrower", renamed)
    training, used = rows(200, 4)
    with pytest.raises(CathodeError, match="constraints"):
        boosted(training, training, used, GROWTH, max_iter=1, patience=1)
