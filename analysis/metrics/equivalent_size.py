"""How many true events a generated sample is worth: as many as would be as far from the truth by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.errors import MetricError, TooFewEventsError
from analysis.events import FloatArray

#: Subsamples of the truth are drawn so often.
_REPEATS = 10

#: The smallest subsample.
_SMALLEST = 20


@dataclass(frozen=True)
class EquivalentSize:
    """`events` true events are as far from the truth as the sample is: `distance`, a mean Kolmogorov–Smirnov distance.

    `at_least` says that the sample is no farther than all true events that there were, so that it may be worth more;
    `at_most` that it is farther than the smallest number that was tried. `curve` holds (events, distance) of the truth.
    """

    events: float
    distance: float
    at_least: bool
    at_most: bool
    curve: tuple[tuple[int, float], ...]


def equivalent_size(
    generated: FloatArray, truth: FloatArray, reference: FloatArray, *, seed: int, sizes: Sequence[int] | None = None
) -> EquivalentSize:
    """Equivalent size of a sample `generated` (N, F); `truth` (M, F) and `reference` (R, F) are of one distribution.

    The distance of a sample is the mean over the columns of the largest difference of its distribution function from
    that of the reference. That of `sizes` true events, by default from 20 to all in steps of √2, is the mean over
    subsamples of the truth; between these the logarithms are interpolated. No number of generated events takes the
    chance of the reference away, nor does it for the truth. Distributions of single columns are compared, correlations
    are not.

    Raises
    ------
    MetricError
        If the samples have different columns, or there are none.
    TooFewEventsError
        If there are fewer than 40 true events.
    """
    columns = {np.shape(sample)[1:] for sample in (generated, truth, reference)}
    if len(columns) != 1 or len(next(iter(columns))) != 1 or not next(iter(columns))[0] or not len(generated):
        raise MetricError(f"samples of columns {sorted(columns)} have no common distributions to be compared.")
    if min(len(truth), len(reference)) < 2 * _SMALLEST:
        raise TooFewEventsError(f"{len(truth)} true and {len(reference)} reference events are too few for a curve.")
    if sizes is None:
        steps = int(np.log2(len(truth) / _SMALLEST) * 2)
        sizes = sorted({*(round(_SMALLEST * 2 ** (step / 2)) for step in range(steps + 1)), len(truth)})
    rng = np.random.default_rng(seed)
    ordered = np.sort(np.asarray(reference, np.float64), axis=0)
    curve = []
    for size in sizes:
        repeats = 1 if size == len(truth) else _REPEATS
        found = [_distance(truth[rng.choice(len(truth), size, replace=False)], ordered) for _ in range(repeats)]
        curve.append((int(size), float(np.mean(found))))
    distance = _distance(generated, ordered)
    events, apart = np.array(curve).T
    # With more events the distance only falls, but for chance.
    apart = np.minimum.accumulate(apart)
    at = np.interp(np.log(max(distance, 1e-300)), np.log(apart[::-1]), np.log(events[::-1]))
    return EquivalentSize(
        float(np.exp(at)), distance, bool(distance <= apart[-1]), bool(distance >= apart[0]), tuple(curve)
    )


def _distance(sample: FloatArray, ordered: FloatArray) -> float:
    """Mean over columns of the Kolmogorov–Smirnov distance of a sample (N, F) from a sorted one (R, F)."""
    values = np.sort(np.asarray(sample, np.float64), axis=0)
    found = []
    for column in range(values.shape[1]):
        a, b = values[:, column], ordered[:, column]
        at = np.concatenate([a, b])
        difference = np.searchsorted(a, at, side="right") / len(a) - np.searchsorted(b, at, side="right") / len(b)
        found.append(np.abs(difference).max())
    return float(np.mean(found))
