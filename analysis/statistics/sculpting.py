"""Mass sculpting: a test of whether a cut on the score changes the shape of the mass spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.errors import AnalysisError, TooFewEventsError
from analysis.weights import unit

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

_FEWEST_PER_BIN = 10.0


@dataclass(frozen=True, eq=False)
class SculptingTest:
    """χ² of the selected mass spectrum against efficiency × the full one.

    Attributes
    ----------
    chi2, ndof, p_value : the test; p_value is uniform if the cut knows nothing of the mass.
    efficiency : weighted fraction that passes.
    edges : (B + 1,), quantile bins in GeV.
    ratio, error : (B,), selected/(efficiency × full) per bin and the standard deviation it has without sculpting.
    """

    chi2: float
    ndof: int
    p_value: float
    efficiency: float
    edges: FloatArray
    ratio: FloatArray
    error: FloatArray


def sculpting_test(
    mass: FloatArray, selected: BoolArray, *, weights: FloatArray | None = None, bins: int = 50
) -> SculptingTest:
    """Compare the mass spectrum after a cut with the spectrum before it, in bins of equal population.

    The selected events are a subset of all, so without sculpting they are a draw *without* replacement: the count of a
    bin is hypergeometric, with variance (1 − ε) times smaller than Poisson's, and the bins are correlated. Against
    Poisson errors χ²/ndof would be 1 − ε and sculpting would hide. With weights the covariance of the summed weights
    over permutations takes that place.

    The statistic is that of LaCATHODE (2210.14924), whose protocol has 300 bins; fewer bins see a smooth change of
    shape sooner, more bins a narrow one.

    Parameters
    ----------
    mass : (N,), GeV.
    selected : (N,), whether an event passes.
    weights : (N,), negative ones allowed.
    bins : quantile bins in mass; fewer where less than 10 selected events would be expected per bin.

    Raises
    ------
    TooFewEventsError
        If fewer than 20 events pass, or fewer than 20 fail.
    """
    mass, selected = np.asarray(mass, dtype=float), np.asarray(selected, dtype=bool)
    weights = np.ones(len(mass)) if weights is None else np.asarray(weights, dtype=float)
    if not mass.shape == selected.shape == weights.shape:
        raise AnalysisError(f"Masses {mass.shape}, selection {selected.shape} and weights {weights.shape} must agree.")
    weights = weights / unit(weights)
    n, passing = len(mass), int(selected.sum())
    fewest = 2 * _FEWEST_PER_BIN
    if min(passing, n - passing) < fewest:
        raise TooFewEventsError(
            f"{passing} of {n} events pass: a test of the shape needs {fewest:g} on either side of the cut. Loosen it."
        )
    bins = int(min(bins, passing // _FEWEST_PER_BIN, (n - passing) // _FEWEST_PER_BIN))
    edges = np.unique(np.quantile(mass, np.linspace(0, 1, bins + 1)))
    index = np.clip(np.searchsorted(edges, mass, side="right") - 1, 0, len(edges) - 2)
    full, squared, cut = (
        np.bincount(index, weights=values, minlength=len(edges) - 1).astype(float)
        for values in (weights, weights**2, weights * selected)
    )
    efficiency = float(cut.sum() / full.sum())
    covariance = _permutation_covariance(full, squared, n, passing)
    deviation = cut - efficiency * full
    # The deviations sum to zero: one bin follows from the others and is left out.
    chi2 = float(deviation[:-1] @ np.linalg.solve(covariance[:-1, :-1], deviation[:-1]))
    ndof = len(full) - 1
    expected = efficiency * full
    error = np.sqrt(np.diag(covariance)) / expected
    return SculptingTest(chi2, ndof, float(stats.chi2.sf(chi2, ndof)), efficiency, edges, cut / expected, error)


def _permutation_covariance(full: FloatArray, squared: FloatArray, n: int, passing: int) -> FloatArray:
    """Covariance (B, B) of cut − efficiency × full over all choices of `passing` of n events."""
    # The covariance of a draw without replacement has a second term, ∝ full · fullᵀ, which the projection removes.
    chosen = passing * (n - passing) / (n * (n - 1)) * np.diag(squared)
    projection = np.eye(len(full)) - full[:, None] / full.sum()
    covariance: FloatArray = projection @ chosen @ projection.T
    return covariance


@dataclass(frozen=True)
class MassDependence:
    """How much a selection depends on the mass, whatever the form; p-values are small where it does.

    Attributes
    ----------
    ks, ks_p_value : largest distance of the cumulative mass distributions of what passes and what does not.
    distance_correlation, distance_p_value : of mass and selection (Székely, Rizzo & Bakirov 2007), 0 to 1.
    """

    ks: float
    ks_p_value: float
    distance_correlation: float
    distance_p_value: float


#: Bins of equal population in which masses count as equal, and permutations of the selection.
_FINE, _PERMUTATIONS = 200, 399


def mass_dependence(
    mass: FloatArray, selected: BoolArray, *, weights: FloatArray | None = None, seed: int = 0
) -> MassDependence:
    """Kolmogorov–Smirnov distance and distance correlation of a selection and the mass, calibrated by permutations.

    Of a selection, which has two values, the distance covariance is that of the energy distance of both mass
    distributions, so that it is found from their cumulative distributions. Masses (N,) in GeV count as equal within 200
    bins of equal population; with 399 permutations no p-value is below 1/400. Weights (N,) may be negative.

    Raises
    ------
    TooFewEventsError
        If fewer than 20 events pass, or fewer than 20 fail.
    """
    mass, selected = np.asarray(mass, dtype=float), np.asarray(selected, dtype=bool)
    w = np.ones(len(mass)) if weights is None else np.asarray(weights, dtype=float)
    if not mass.shape == selected.shape == w.shape:
        raise AnalysisError(f"Masses {mass.shape}, selection {selected.shape} and weights {w.shape} must agree.")
    fewest = 2 * _FEWEST_PER_BIN
    if min(selected.sum(), (~selected).sum()) < fewest:
        raise TooFewEventsError(
            f"{selected.sum()} of {len(mass)} events pass: a test of the shape needs {fewest:g} on either side."
        )
    edges = np.unique(np.quantile(mass, np.linspace(0, 1, _FINE + 1)[1:-1]))
    at = np.searchsorted(edges, mass, side="right")
    bins = len(edges) + 1
    centres = np.bincount(at, mass, bins) / np.bincount(at, minlength=bins).clip(1)
    full = np.bincount(at, w, bins).astype(float)
    spread = _distance_deviation(centres, full / full.sum())
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(selected)
    # As many events chosen anew are a permutation of the selection, and where few pass much cheaper.
    drawn = (rng.choice(len(mass), len(rows), replace=False, shuffle=False) for _ in range(_PERMUTATIONS))
    found = [_dependence(at, w, full, centres, spread, each) for each in (rows, *drawn)]
    values = np.array(found)
    ks, correlation = values[0]
    reached = (values >= values[0] * (1 - 1e-12)).mean(axis=0)
    return MassDependence(float(ks), float(reached[0]), float(correlation), float(reached[1]))


def _dependence(
    at: NDArray[np.int64],
    weights: FloatArray,
    full: FloatArray,
    centres: FloatArray,
    spread: float,
    selected: NDArray[np.int64],
) -> tuple[float, float]:
    """KS distance and distance correlation of bins `at` (N,) with total content `full` (B,) and selected rows."""
    passing = np.bincount(at[selected], weights[selected], len(full))
    share = passing.sum() / full.sum()
    apart = np.cumsum(passing / passing.sum() - (full - passing) / (full - passing).sum())
    energy = 2 * float(np.sum(apart[:-1] ** 2 * np.diff(centres)))
    # dCov² = 2 p² q² E, and dVar of the selection is 2 p q.
    squared = share * (1 - share) * energy / spread if spread > 0 else 0.0
    return float(np.abs(apart).max()), float(np.sqrt(max(squared, 0.0)))


def _distance_deviation(centres: FloatArray, share: FloatArray) -> float:
    """Square root of the distance variance of numbers (B,) with shares (B,)."""
    apart = np.abs(centres[:, None] - centres[None, :])
    row = apart @ share
    centred = apart - row[:, None] - row[None, :] + share @ row
    return float(np.sqrt(max(float(share @ centred**2 @ share), 0.0)))
