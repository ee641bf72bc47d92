"""How far the members of a generator ensemble are apart above a cut: an error of the prediction that no count has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.events import FloatArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cathode.cut_and_count import Cut
    from cathode.methods.protocol import Reference


def ensemble_spread(cut: Cut, reference: Reference, weights: FloatArray, fold: NDArray[np.int64]) -> float | None:
    """Relative error of the prediction from how far the members are apart, for the mean of all of them.

    Each member's part of the reference predicts by itself what passes in data of `weights` (N,) and `fold` (N,). Of the
    variance of these predictions that of counting is taken away. None where there are no members, or where one of them
    has nothing in a fold or predicts nothing.
    """
    if reference.member is None:
        return None
    folds, members = len(cut.thresholds), int(reference.member.max(initial=-1)) + 1
    cell = reference.member * folds + reference.fold
    passing = np.where(cut.passes(reference.scores, reference.fold), reference.weights, 0.0)
    total, kept, squared = (
        np.bincount(cell, each, members * folds).reshape(members, folds)
        for each in (reference.weights, passing, passing**2)
    )
    data = np.bincount(fold, weights, folds)
    if members < 2 or not (total > 0).all():
        return None
    expected = (kept / total) @ data
    if not (expected > 0).all():
        return None
    counting = (squared / total**2) @ data**2
    excess = max(0.0, float(expected.var(ddof=1) - counting.mean()))
    return float(np.sqrt(excess / members) / expected.mean())
