"""Precision, recall, density and coverage of a generated sample, by nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import MetricError, TooFewEventsError
from analysis.events import FloatArray

Float = NDArray[np.float64]

#: Distances that are held at once.
_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Neighbourhoods:
    """What the balls around true and generated events hold, each as far as the k-th neighbour of its own sample.

    Attributes
    ----------
    precision : share of generated events in the ball of some true one (Kynkäänniemi et al., 1904.06991).
    recall : share of true events in the ball of some generated one.
    density : true balls around a generated event over k, 1 in the mean for equal samples (Naeem et al., 2002.09797).
    coverage : share of true events whose ball holds a generated one.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def neighbourhoods(generated: FloatArray, truth: FloatArray, *, k: int = 5) -> Neighbourhoods:
    """Precision, recall, density and coverage of `generated` (N, F) against `truth` (M, F).

    All depend on the sizes of the samples: compare them with those of true events of the same number. Memory is
    bounded, the time grows as N M F.

    Raises
    ------
    MetricError
        If the samples have different columns, or k is no number of neighbours.
    TooFewEventsError
        If one has no more than k events.
    """
    x, y = (np.ascontiguousarray(sample, np.float64) for sample in (generated, truth))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or k < 1:
        raise MetricError(f"samples {x.shape} and {y.shape} with k = {k} have no neighbours of each other.")
    if min(len(x), len(y)) <= k:
        raise TooFewEventsError(f"{len(x)} generated and {len(y)} true events are too few for {k} neighbours.")
    of_truth, of_generated = (_radii(sample, k) for sample in (y, x))
    inside, recalled, covered = np.zeros(len(x)), np.zeros(len(y), dtype=bool), np.zeros(len(y), dtype=bool)
    for rows, squared in _distances(y, x):
        in_true = squared < of_truth[rows, None]
        inside += in_true.sum(axis=0)
        covered[rows] = in_true.any(axis=1)
        recalled[rows] = (squared < of_generated[None]).any(axis=1)
    return Neighbourhoods(
        precision=float((inside > 0).mean()),
        recall=float(recalled.mean()),
        density=float(inside.mean() / k),
        coverage=float(covered.mean()),
    )


def _radii(sample: Float, k: int) -> Float:
    """Square of the distance of every event from its k-th neighbour, itself not counted, (N,)."""
    out = np.empty(len(sample))
    for rows, squared in _distances(sample, sample):
        # The nearest of all is the event itself.
        out[rows] = np.partition(squared, k, axis=1)[:, k]
    return out


def _distances(first: Float, second: Float) -> Iterator[tuple[NDArray[np.int64], Float]]:
    """Rows of the first sample, some at a time, and their squared distances from all of the second."""
    squares = (second**2).sum(axis=1)
    for rows in np.array_split(np.arange(len(first)), max(1, len(first) * len(second) // _AT_ONCE)):
        part = first[rows]
        squared = (part**2).sum(axis=1)[:, None] + squares[None] - 2 * part @ second.T
        yield rows, np.maximum(squared, 0)
