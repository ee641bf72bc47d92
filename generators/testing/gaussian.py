"""Events whose density is known: what the contracts of generators are tried on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def gaussian_events(n: int, seed: int) -> tuple[Floats, Floats]:
    """Two correlated normal features (n, 2) whose mean, width and correlation follow the context (n, 1) in [2, 4]."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(2, 4, (n, 1))
    first = 2 * c[:, 0] + 0.5 * rng.standard_normal(n)
    second = -first + width_of_sum(c) * rng.standard_normal(n)
    return np.stack([first, second], axis=1), c


def width_of_sum(c: Floats) -> Floats:
    """Standard deviation of the sum of both features at context (N, 1): (N,)."""
    return 0.4 * c[:, 0] - 0.4


def gaussian_log_prob(x: Floats, c: Floats) -> Floats:
    """The true log-density of `gaussian_events` at x (N, 2) and context (N, 1): (N,)."""
    width = width_of_sum(c)
    first, second = (x[:, 0] - 2 * c[:, 0]) / 0.5, (x[:, 1] + x[:, 0]) / width
    return np.asarray(-0.5 * (first**2 + second**2) - np.log(2 * np.pi * 0.5 * width))
