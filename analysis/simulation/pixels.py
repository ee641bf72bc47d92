"""Synthetic events of a pixel detector like that of Belle II: `simulate_pixels`.

A model of straight tracks, no simulation of the real detector: nothing of it is fitted to data.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from analysis.atomic import atomic_path
from analysis.errors import SimulationError
from analysis.outputs import check_output_file
from analysis.pixels import PXD, PXD_SMALL, PixelDetector, PixelEvents

DETECTORS = {"pxd": PXD, "pxd-small": PXD_SMALL}
#: Lowest charge that is read out, and the largest that is told from larger ones, in ADU.
THRESHOLD, SATURATION = 7, 255
#: What the machine condition consists of, in units of the usual.
CONDITIONS = ("luminosity", "beam_gas")

#: Occupancy of the outermost layer at the usual condition.
_OCCUPANCY = 0.004
#: Layers further in see more, as the inverse square of the radius: 14 and 22 mm.
_INNER = (22 / 14) ** 2
#: Logarithmic spread of the rate of a whole event, and of a sensor beside.
_OF_EVENT, _OF_SENSOR = 0.4, 0.1
#: Pixels of a cluster on average, from which the number of clusters follows.
_PIXELS_OF_CLUSTER = 3.1
#: Most probable charge of a vertical track and its width, in ADU, and the mean length of a track along z, in pixels.
_CHARGE, _WIDTH, _LENGTH = 60.0, 14.0, 1.0
#: Parts into which the charge of a track is divided, and how far these diffuse, in pixels.
_PARTS, _DIFFUSION = 32, 0.25


def draw_conditions(n: int, *, seed: int) -> NDArray[np.float64]:
    """Machine conditions (n, 2) of `CONDITIONS`, between half and one and a half times the usual."""
    return np.random.default_rng([seed, 0]).uniform(0.5, 1.5, (n, len(CONDITIONS)))


def pixel_event(detector: PixelDetector, condition: NDArray[np.floating[Any]], *, seed: int, event: int) -> PixelEvents:
    """One event at a machine condition (2,); it depends on the seed and its number alone.

    Luminosity is seen by all sensors alike, gas in the beam pipe by those near φ = 0 more. Both share the rate of the
    event, which correlates the sensors. Charge follows Moyal's form of Landau's distribution, grows with the length of
    the track and is shared by diffusion; it is rounded, lost below the threshold and saturated.
    """
    rng = np.random.default_rng([seed, 1, event])
    rates = sensor_rates(detector, condition) * np.exp(rng.normal(0, _OF_EVENT))
    rates = rates * np.exp(rng.normal(0, _OF_SENSOR, detector.sensors))
    counts = rng.poisson(rates * detector.rows * detector.columns / _PIXELS_OF_CLUSTER)
    sensor = np.repeat(np.arange(detector.sensors), counts)
    tracks = len(sensor)
    length = rng.exponential(_LENGTH, tracks)
    slope = rng.normal(0, 0.3, tracks)
    landau = -np.log(rng.normal(size=tracks) ** 2)  # Moyal: −ln of a χ² with one degree of freedom
    charge = np.maximum(_CHARGE + _WIDTH * landau, 5.0) * np.sqrt(1 + length**2 / 4)
    along = (np.arange(_PARTS) + 0.5) / _PARTS - 0.5
    first = rng.uniform(0, [detector.rows, detector.columns], (tracks, 2))
    spread = rng.normal(0, _DIFFUSION, (2, tracks, _PARTS))
    row = np.floor(first[:, :1] + (slope * length)[:, None] * along + spread[0]).astype(np.int64)
    column = np.floor(first[:, 1:] + length[:, None] * along + spread[1]).astype(np.int64)
    inside = (row >= 0) & (row < detector.rows) & (column >= 0) & (column < detector.columns)
    place = (sensor[:, None] * detector.rows + row) * detector.columns + column
    index, which = np.unique(place[inside], return_inverse=True)
    sums = np.bincount(which, np.broadcast_to(charge[:, None] / _PARTS, place.shape)[inside], len(index))
    adu = np.clip(np.rint(sums), 0, SATURATION).astype(np.uint8)
    kept = adu >= THRESHOLD
    offsets = np.array([0, kept.sum()], dtype=np.int64)
    return PixelEvents(detector, offsets, index[kept].astype(np.int32), adu[kept])


def sensor_rates(detector: PixelDetector, condition: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Mean occupancy of every sensor (S,) at a machine condition (2,), before the spread of events."""
    luminosity, gas = np.asarray(condition, dtype=np.float64)
    depth = len(detector.layers) - 1 - np.repeat(np.arange(len(detector.layers)), detector.layers)
    # Two sensors, forward and backward, are on one ladder.
    angle = np.concatenate([2 * np.pi * (np.arange(n) // 2) / max(1, n // 2) for n in detector.layers])
    forward = np.concatenate([np.arange(n) % 2 for n in detector.layers])
    base = _OCCUPANCY * _INNER**depth
    rates: NDArray[np.float64] = base * (
        0.6 * luminosity + 0.4 * gas * (1 + 0.6 * np.cos(angle)) * (0.8 + 0.4 * forward)
    )
    return rates


def simulate_pixels(
    n_events: int,
    *,
    seed: int,
    output: str | os.PathLike[str],
    detector: str = "pxd",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write synthetic events as an HDF5 file of hit pixels, which `analysis.datasets.pxd.read_pixels` reads.

    Parameters
    ----------
    detector : "pxd" (40 sensors of 250 × 768 pixels) or "pxd-small" (32 × 96).
    progress : called as progress(events done, n_events).

    Raises
    ------
    SimulationError
        If there is no such detector, or no event is wanted.
    OutputError
        If the file can not be written.
    """
    check_output_file(output)
    if detector not in DETECTORS:
        raise SimulationError(f"There is no detector '{detector}'. Known: {', '.join(DETECTORS)}.")
    if n_events < 1 or seed < 0:
        raise SimulationError(f"{n_events} events with seed {seed}: give at least one event and no negative seed.")
    chosen, conditions = DETECTORS[detector], draw_conditions(n_events, seed=seed)
    with atomic_path(output) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["title"] = f"Synthetic events of a model of a pixel detector, {detector}; seed {seed}"
        file.attrs["layers"], file.attrs["rows"], file.attrs["columns"] = chosen.layers, chosen.rows, chosen.columns
        file["condition"] = conditions
        packed = {"maxshape": (None,), "chunks": (1 << 16,), "compression": "gzip", "shuffle": True}
        hits = {
            name: file.create_dataset(name, (0,), kind, **packed) for name, kind in (("index", "i4"), ("adu", "u1"))
        }
        offsets = np.zeros(n_events + 1, dtype=np.int64)
        for number, condition in enumerate(conditions):
            made = pixel_event(chosen, condition, seed=seed, event=number)
            offsets[number + 1] = offsets[number] + len(made.index)
            for name, values in hits.items():
                values.resize((offsets[number + 1],))
                values[offsets[number] :] = getattr(made, name)
            if progress is not None:
                progress(number + 1, n_events)
        file["offsets"] = offsets
    return Path(output)
