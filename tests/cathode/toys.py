"""The toy world of `cathode.testing.toy`, and what only the tests of this package do in it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cathode.search import Search
from cathode.testing.toy import (
    COLUMNS,
    COVARIANCE,
    DRIFT,
    OFFSET,
    REGION,
    RESONANCE,
    SLOPE,
    WIDTH,
    Array,
    Discriminant,
    TrueGenerator,
    TrueMass,
    background_features,
    decisive,
    falling_masses,
    fingerprints,
    toy_events,
)

__all__ = [
    "ANALYSIS",
    "COLUMNS",
    "COVARIANCE",
    "DRIFT",
    "OFFSET",
    "REGION",
    "RESONANCE",
    "SLOPE",
    "WIDTH",
    "Discriminant",
    "TrueGenerator",
    "TrueMass",
    "background_features",
    "decisive",
    "falling_masses",
    "fingerprints",
    "prongs",
    "separation",
    "small_flow_matching",
    "toy_events",
    "toy_search",
]

#: An analysis of events.parquet, a file of toy events, whose search takes a second or two.
ANALYSIS = """
data: {files: events.parquet, mass: m, features: {x: x, y: y}, identifiers: entry}
region: {signal: [3300, 3700], sidebands: [2300, 5300]}
mass_model: {kind: kde}
template:
  generator:
    kind: gaussian_mixture
    components: 1
    hidden: 8
    layers: 1
    training: {steps: 60, learning_rate: 0.03, ema_decay: 0.9}
  oversampling: 2
classifier: {kind: boosted_trees, members: 1, max_iter: 5}
background_efficiencies: [0.2]
folds: 2
validation: {closure: false}
threads: 1
"""


def separation() -> float:
    """Distance of signal and background in the window, in standard deviations of the best linear discriminant."""
    low, high = REGION.low, REGION.high
    grid = np.linspace(low, high, 2001)
    density = np.exp(-grid / SLOPE)
    mean = np.average(grid, weights=density)
    variance = np.average((grid - mean) ** 2, weights=density)
    drift = DRIFT / 1000
    inside = COVARIANCE + variance * np.outer(drift, drift)
    shift = OFFSET + drift * (RESONANCE - mean)
    return float(np.sqrt(shift @ np.linalg.solve(inside, shift)))


def prongs(n: int, distance: Any, seed: int, *, constituents: int = 6, spread: float = 0.1) -> Array:
    """Single jets of equal constituents, half of them around each of two axes `distance` apart."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * math.pi, (n, 1, 1))
    side = rng.choice([-0.5, 0.5], (n, 1, constituents))
    at = spread * rng.normal(size=(2, n, 1, constituents))
    eta, phi = at[0] + side * distance * np.cos(angle), at[1] + side * distance * np.sin(angle)
    return np.stack([np.full_like(eta, 50.0), eta, phi], axis=-1)


def toy_search(**changes: Any) -> Search:
    """A search in which only the statistics are left to chance."""
    defaults: dict[str, Any] = {
        "region": REGION,
        "generator": TrueGenerator(),
        "mass_model": TrueMass(),
        "classifier": Discriminant(),
        "background_efficiencies": (0.01,),
        "workers": 1,
        "seed": 3,
    }
    return Search.of("cathode", **{**defaults, **changes})


def small_flow_matching(**training: Any) -> Any:
    """A generator of the registry that trains in a moment, and badly."""
    from generators.registry import create

    settings = {"steps": None, "epochs": 2, "batch_size": 1024, "ema_decay": 0.9, **training}
    return create({"kind": "flow_matching", "hidden": 8, "layers": 1, "sampling_steps": 2, "training": settings})
