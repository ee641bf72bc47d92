"""Real samples of `amplification.py`: a new part for every training, and a reference that nothing is learned from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shower_samples import FILES

from analysis.datasets import open_showers
from analysis.datasets.jetnet import read_jetnet_file
from analysis.events import Events
from analysis.features.constituents import relative_mass
from analysis.metrics.showers import observables
from analysis.showers import geometry

Array = NDArray[np.float64]
#: Draws n events at a seed.
Draw = Callable[[int, int], Array]


def in_parts(x: Array, seed: int = 3) -> tuple[Draw, int]:
    """What gives disjoint parts of one half of x (N, D), and the other half if asked for as many as it has."""
    x = x[np.random.default_rng(seed).permutation(len(x))]
    reference = len(x) // 2

    def draw(n: int, seed: int) -> Array:
        # The reference is asked for once, by a seed that no training has.
        if n == reference:
            return x[:reference]
        first = reference + seed * n
        if first + n > len(x):
            raise SystemExit(
                f"{len(x)} events are too few for training {seed} of {n}; give fewer --trainings or --points"
            )
        return x[first : first + n]

    return draw, reference


def jets_of(folder: str) -> tuple[Draw, int]:
    """Mass, multiplicity and hardest constituent of top jets."""
    clouds = read_jetnet_file(os.path.join(folder, "t.hdf5"), "t").clouds[..., :3]
    pt = clouds[..., 2]
    # A whole number of constituents has no quantiles of equal content: less than one is added.
    n = (pt > 0).sum(axis=1) + np.random.default_rng(3).random(len(pt))
    return in_parts(np.stack([relative_mass(clouds), n, pt.max(axis=1)], axis=1))


def showers_of(folder: str) -> tuple[Draw, int]:
    """Response, share of the fullest layer and its width in η, of photon showers of at least 4 GeV.

    Below that a layer can be empty, and many showers are then alike.
    """
    known = geometry("ds1-photons")
    with open_showers(Path(folder) / FILES["ds1-photons"], known) as file:
        seen = observables(file.dense(10_000), known)
    seen = seen.rows(np.flatnonzero(seen.incident >= 4))
    directed = [number for number, layer in enumerate(known.layers) if layer.has_directions]
    fullest = max(directed, key=lambda layer: seen.layers[:, layer].mean())
    width = seen.eta_width[:, directed.index(fullest)]
    return in_parts(np.stack([seen.response, seen.ratios[:, fullest], width], axis=1))


def dijets_of(path: str) -> tuple[Events, Events]:
    """Background events of the sidebands and of the window, in a random order; file as in an analysis file."""
    from cathode import DIJET_MASS, Region, read_events

    region = Region(3300, 3700)
    events = read_events(path, mass=DIJET_MASS, features="dijet", truth="isSignal")
    background = events[~events.truth]
    background = background[np.random.default_rng(4).permutation(len(background))]
    return background[region.sideband(background.mass)], background[region.signal(background.mass)]
