"""Numbers for the figures of a report: bins, contents, errors, pulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.printing import p_value
from analysis.weights import unit

Array = NDArray[np.floating[Any]]

#: Mass bins of a spectrum at most; more would not be seen.
MASS_BINS = 80
#: Bins of the width of a narrow window that are too many to be drawn.
_TOO_MANY = 1000
#: How far beyond the window, as a ratio, masses are shown.
_FAR = 100.0
FEATURE_BINS = 40


@dataclass(frozen=True, eq=False)
class Histogram:
    """Sum of weights and its error in bins, (B,) each."""

    content: Array
    error: Array

    def scaled(self, factor: float) -> Histogram:
        """The same shape with another normalisation."""
        return Histogram(self.content * factor, self.error * factor)


def histogram(values: Array, edges: Array, weights: Array | None = None) -> Histogram:
    """Contents and errors √Σw² of the bins."""
    w = np.ones(len(values)) if weights is None else weights
    scale = unit(w)
    content, squared = (np.histogram(values, edges, weights=(w / scale) ** power)[0] for power in (1, 2))
    return Histogram(content * scale, np.sqrt(squared) * scale)


def mass_edges(mass: Array, window: tuple[float, float], veto: Sequence[tuple[float, float]] = ()) -> Array:
    """Equal bins over the bulk of the masses, with a border at each edge of the window; each veto is one bin.

    A few masses far away do not make the bins many: what lies a factor 100 beyond the window is not shown, and beside a
    very narrow window bins are several times as wide.
    """
    low, high = window
    first = max(float(mass.min()), low / _FAR)
    last = min(float(np.quantile(mass, 1 - 1e-5)), high * _FAR)
    for parts in (10, 8, 5, 4, 2, 1):
        width = (high - low) / parts
        below, above = int(np.ceil((low - first) / width)), int(np.ceil((last - low) / width))
        if below + above <= MASS_BINS or parts == 1:
            break
    step = 1 if below + above <= _TOO_MANY else -(-(below + above) // MASS_BINS)
    inside = low + width * np.arange(0, parts + 1)
    beside = low - width * step * np.arange(1, -(-below // step) + 1)
    beyond = inside[-1] + width * step * np.arange(1, -(-max(above - parts, 0) // step) + 1)
    edges = np.concatenate([beside[::-1], inside, beyond])
    for start, stop in veto:
        edges = edges[(edges <= start) | (edges >= stop)]
        edges = np.union1d(edges, [edge for edge in (start, stop) if edges[0] < edge < edges[-1]])
    return edges


def vetoed_bins(edges: Array, veto: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Which bins lie in a veto, (B,)."""
    centre = 0.5 * (edges[1:] + edges[:-1])
    inside = np.zeros(len(centre), dtype=bool)
    for low, high in veto:
        inside |= (centre >= low) & (centre < high)
    return inside


def feature_edges(*samples: Array, bins: int = FEATURE_BINS) -> Array:
    """Equal bins between the far quantiles of all samples; if all values are whole, equally many numbers in each."""
    low = min(float(np.quantile(s, 0.001)) for s in samples if len(s))
    high = max(float(np.quantile(s, 0.999)) for s in samples if len(s))
    if all((s == np.round(s)).all() for s in samples):
        first, last = np.floor(low), np.ceil(high)
        width = np.ceil((last - first + 1) / bins)
        edges: Array = first - 0.5 + width * np.arange(np.ceil((last - first + 1) / width) + 1)
        return edges
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


def agreement(data: Histogram, template: Histogram, *, scaled: bool, common: float = 0.0) -> str:
    """χ², degrees of freedom and p-value of two histograms, where the template has five events to be normal.

    One degree is lost where the template was `scaled` to the data. `common` is a relative error of the template that
    all bins share; its covariance has rank one, and is inverted by the formula of Sherman and Morrison.
    """
    variance = np.square(data.error) + np.square(template.error)
    shown = (template.content >= 5) & (variance > 0)
    ndof = int(shown.sum()) - int(scaled)
    if ndof < 1:
        return ""
    expected, off = template.content[shown], (data.content - template.content)[shown]
    pull, shared = off / variance[shown], common**2
    chi2 = float(
        off @ pull - shared * (expected @ pull) ** 2 / (1 + shared * (expected @ (expected / variance[shown])))
    )
    return f"χ²/ndf = {chi2:.1f}/{ndof}, p = {p_value(float(stats.chi2.sf(chi2, ndof)))}"


def ratio_range(data: Histogram, template: Histogram) -> tuple[float, float]:
    """A range of the ratio that holds most of its points: symmetric around one while they are near it."""
    filled = (template.content > 0) & (data.content > 0)
    if not filled.any():
        return 0.0, 2.0
    ratio, error = data.content[filled] / template.content[filled], data.error[filled] / template.content[filled]
    half = float(1.15 * np.quantile(np.abs(ratio - 1) + error, 0.85))
    return (1 - max(half, 0.1), 1 + max(half, 0.1)) if half < 0.9 else (0.0, 1 + half)


def integral(edges: Array, mass: Array, density: Array) -> Array:
    """Integral of a density, (K,) at masses (K,), over each bin; NaN for bins that reach beyond it."""
    steps = np.diff(mass) * 0.5 * (density[1:] + density[:-1])
    cumulative = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.interp(edges, mass, cumulative, left=np.nan, right=np.nan)
    return np.diff(at)


def pulls(edges: Array, data: Histogram, expected: Array, window: tuple[float, float]) -> tuple[Array, Array]:
    """Bins (Q, 2) outside of the window that the fit covers, and (data − fit)/√fit there, (Q,)."""
    low, high = edges[:-1], edges[1:]
    outside = (high <= window[0]) | (low >= window[1])
    # A handful of events is no normal deviate.
    shown = outside & (np.nan_to_num(expected) >= 5)
    pairs = np.stack([low[shown], high[shown]], axis=1)
    return pairs, (data.content[shown] - expected[shown]) / np.sqrt(expected[shown])
