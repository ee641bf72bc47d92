"""Has a generator learned its training events by heart? Then what it draws lies nearer to them than to other events."""

from __future__ import annotations

import numpy as np

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics.sic_and_auc import FloatArray, Measured

#: Events of each kind below which the answer says nothing.
_MINIMUM = 20


def copied_share(drawn: FloatArray, training: FloatArray, held_out: FloatArray, *, seed: int) -> Measured:
    """Share of drawn events (N, ...) whose nearest true event is one of the training; 1/2 without copies.

    As many events of the training (T, ...) as were held out (H, ...) are taken, the larger sample cut at random, and
    columns count in units of their width. The error is that of the share when the names of the two samples are
    exchanged at random, so (share − ½)/error is a standard normal number for a generator that copies nothing (in the
    manner of Meehan, Chaudhuri & Dasgupta, 2004.05675).

    Clouds are compared as they are stored: sort the constituents of both, or give observables of them.

    Raises
    ------
    TooFewEventsError
        If there are fewer than 20 events of a kind.
    MetricError
        If shapes do not fit, or a number is NaN or infinite.
    """
    from sklearn.neighbors import NearestNeighbors

    rows = [np.asarray(x, np.float64).reshape(len(x), -1) for x in (drawn, training, held_out)]
    for name, x in zip(("drawn", "training", "held-out"), rows, strict=True):
        if len(x) < _MINIMUM:
            raise TooFewEventsError(f"{len(x)} {name} events; the search for copies needs at least {_MINIMUM}.")
        if x.shape[1] != rows[0].shape[1]:
            raise MetricError(f"Drawn events have {rows[0].shape[1]} numbers each, {name} ones {x.shape[1]}.")
        if not np.isfinite(x).all():
            raise MetricError(f"{int((~np.isfinite(x)).any(axis=1).sum())} of {len(x)} {name} events are not finite.")
    size, rng = min(len(rows[1]), len(rows[2])), np.random.default_rng(seed)
    known, other = (x[rng.permutation(len(x))[:size]] for x in rows[1:])
    true = np.concatenate([known, other])
    width = true.std(axis=0)
    scale = np.where(width > 0, width, 1.0)
    nearest = NearestNeighbors(n_neighbors=1).fit(true / scale).kneighbors(rows[0] / scale, return_distance=False)[:, 0]
    neighbours = np.bincount(nearest, minlength=len(true)) / len(rows[0])
    # Variance of the sum over half of K numbers drawn without replacement.
    error = 0.5 * np.std(neighbours, ddof=1) * np.sqrt(len(true))
    return Measured(float(neighbours[:size].sum()), float(error))
