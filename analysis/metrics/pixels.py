"""What events of pixel detectors are compared in: charge, occupancy, clusters, and the correlation of the sensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics.sic_and_auc import FloatArray
from analysis.pixels import PixelEvents

#: Half of the eight neighbours of a pixel; the others are the same pairs.
_NEIGHBOURS = ((0, 1), (1, -1), (1, 0), (1, 1))


def charge_spectrum(events: PixelEvents) -> NDArray[np.int64]:
    """Hit pixels by charge, (256,); the first, without charge, is empty."""
    return np.bincount(events.adu, minlength=256)


@dataclass(frozen=True, eq=False)
class Clusters:
    """Hit pixels that touch, also at corners: number of pixels (K,), charge (K,) in ADU, sensor (K,), event (K,)."""

    size: NDArray[np.int64]
    charge: NDArray[np.int64]
    sensor: NDArray[np.int64]
    event: NDArray[np.int64]


def clusters(events: PixelEvents) -> Clusters:
    """The clusters of all events."""
    detector, event, sensor = events.detector, events.event(), events.sensor()
    column = events.index % detector.columns
    row = (events.index // detector.columns) % detector.rows
    place = event * detector.pixels + events.index
    order = np.argsort(place)
    hits = len(place)
    pairs = []
    for down, right in _NEIGHBOURS:
        at = np.searchsorted(place[order], place + down * detector.columns + right)
        there = at < hits
        other = order[np.minimum(at, max(hits - 1, 0))]
        there &= place[other] == place + down * detector.columns + right
        # The pixel behind the end of a row or of a sensor is that of another one.
        there &= (row + down < detector.rows) & (column + right >= 0) & (column + right < detector.columns)
        pairs.append(np.stack([np.flatnonzero(there), other[there]]))
    first, second = np.concatenate(pairs, axis=1)
    touching = coo_matrix((np.ones(len(first), dtype=bool), (first, second)), shape=(hits, hits))
    number, label = connected_components(touching, directed=False)
    size = np.bincount(label, minlength=number)
    charge = np.bincount(label, events.adu, number).astype(np.int64)
    one = np.zeros(number, dtype=np.int64)
    one[label] = np.arange(hits)
    return Clusters(size, charge, sensor[one], event[one])


def sensor_correlations(occupancies: FloatArray) -> NDArray[np.float64]:
    """Correlation matrix (S, S) of occupancies (N, S).

    A sensor whose occupancy is always the same, as that of a collapsed generator, is correlated with none.

    Raises
    ------
    MetricError
        If a value is not finite.
    TooFewEventsError
        If there are fewer than three events.
    """
    x = np.asarray(occupancies, dtype=np.float64)
    if x.ndim != 2 or len(x) < 3:
        raise TooFewEventsError(f"Occupancies of shape {x.shape} have no correlation; give (N, S) of three events.")
    if not np.isfinite(x).all():
        raise MetricError(f"{int((~np.isfinite(x)).sum())} occupancies are NaN or infinite. Leave these events out.")
    centred = x - x.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    constant = np.ptp(x, axis=0) == 0
    unit = np.where(constant, 0, centred / np.where(constant, 1, norm))
    found: NDArray[np.float64] = unit.T @ unit
    np.fill_diagonal(found, 1)
    return found


@dataclass(frozen=True)
class CorrelationDistance:
    """‖R − R_true‖ / ‖R_true‖ in Frobenius' norm, and what two true samples of these sizes would have."""

    value: float
    floor: float


def correlation_distance(made: FloatArray, true: FloatArray, *, seed: int, splits: int = 20) -> CorrelationDistance:
    """Distance of the correlation of sensors in generated and true occupancies, (N, S) and (M, S).

    The floor is that of random halves of the true sample, scaled from their sizes to those of the samples.
    """
    matrix = sensor_correlations(true)
    norm = np.linalg.norm(matrix)
    rng, half = np.random.default_rng(seed), len(true) // 2
    between = []
    for _ in range(splits):
        order = rng.permutation(len(true))
        one, other = (sensor_correlations(np.asarray(true)[rows]) for rows in (order[:half], order[half:]))
        between.append(np.linalg.norm(one - other) ** 2)
    scale = (1 / len(made) + 1 / len(true)) / (1 / half + 1 / (len(true) - half))
    value = float(np.linalg.norm(sensor_correlations(made) - matrix) / norm)
    return CorrelationDistance(value, float(np.sqrt(np.mean(between) * scale) / norm))
