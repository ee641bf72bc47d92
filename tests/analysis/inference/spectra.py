"""A falling spectrum with a resonance on it, as the tests of this folder see it."""

from __future__ import annotations

import numpy as np

from analysis.inference.signal_shapes import DoubleCrystalBall, in_bins
from analysis.inference.spectrum_model import SpectrumModel

EDGES = np.array(
    [
        1460,
        1530,
        1607,
        1687,
        1770,
        1856,
        1945,
        2037,
        2132,
        2231,
        2332,
        2438,
        2546,
        2659,
        2775,
        2895,
        3019,
        3147,
        3279,
        3416,
        3558,
        3704,
        3854,
        4010,
        4171,
        4337,
        4509,
        4700,
        4900,
        5100,
        5300,
        5500,
        5800,
        6100,
        6400,
        6800,
    ],
    dtype=np.float64,
)
SIGNAL = 100 * in_bins(DoubleCrystalBall(3500, 120), EDGES)


def background(events: float = 40_000.0) -> np.ndarray:
    """Contents (B,) of a dijet function of three parameters: no bin is wide enough for its curvature to matter."""
    fine = np.linspace(EDGES[:-1], EDGES[1:], 201)
    x = fine / 13_000
    density = (1 - x) ** 9.0 / x ** (4.5 + 0.1 * np.log(x))
    contents = density.mean(axis=0) * np.diff(EDGES)
    return np.asarray(events * contents / contents.sum())


def model(strength: float = 0.0, *, seed: int = 1, function: str = "f3", events: float = 40_000.0) -> SpectrumModel:
    """One spectrum of so many events."""
    counts = np.random.default_rng(seed).poisson(background(events) + strength * SIGNAL)
    return SpectrumModel(EDGES, counts, SIGNAL, function)
