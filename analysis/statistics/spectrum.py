"""Fit of a mass spectrum outside of a blinded window: which dijet function, and from which mass on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import SpectrumError
from analysis.statistics.binning import SPAN, Bins, Pair, refuse_impossible, sideband_bins
from analysis.statistics.dijet_fit import FUNCTIONS, FTest, SpectrumFit, fit_bins, n_parameters
from analysis.weights import mean_size, standardised

FloatArray = NDArray[np.floating[Any]]

__all__ = ["CASE_EDGES", "FUNCTIONS", "FTest", "SpectrumFit", "choose_function", "fit_bins", "fit_spectrum"]

CASE_EDGES = (1460, 1530, 1607, 1687, 1770, 1856, 1945, 2037, 2132, 2231, 2332, 2438, 2546, 2659, 2775, 2895, 3019,
              3147, 3279, 3416, 3558, 3704, 3854, 4010, 4171, 4337, 4509, 4700, 4900, 5100, 5300, 5500, 5800, 6100,
              6400, 6800)  # fmt: skip
"""Dijet mass bins of the CMS anomaly search (2412.03747), GeV, about one resolution wide: for histograms of data."""

_FEWEST_LOWER_BINS = 5


def choose_function(
    bins: Bins, functions: Sequence[str] = FUNCTIONS, *, level: float = 0.05, sqrt_s: float = 13_000.0
) -> SpectrumFit:
    """Fit the functions in rising order and keep a larger one only where an F-test at `level` asks for it.

    Each is compared with the best so far, so that a step that brings nothing does not hide the next one. Functions
    with as many parameters as there are bins are left out. The next larger function (beyond f5: f6) becomes the
    alternative of the one that was chosen.
    """
    able = [name for name in functions if len(bins) > n_parameters(name)] or list(functions[:1])
    best = fit_bins(bins, able[0], sqrt_s=sqrt_s)
    tests = []
    for name in able[1:]:
        larger = fit_bins(bins, name, sqrt_s=sqrt_s)
        tests.append(_f_test(best, larger))
        best = larger if tests[-1].p_value < level else best
    beyond = f"f{n_parameters(best.function)}"
    alternative = fit_bins(bins, beyond, sqrt_s=sqrt_s) if len(bins) > n_parameters(beyond) else None
    if alternative is not None and best.function == able[-1]:
        tests.append(_f_test(best, alternative))
    return replace(best, f_tests=tuple(tests), alternative=alternative)


def fit_spectrum(
    mass: FloatArray,
    hole: tuple[float, float],
    *,
    weights: FloatArray | None = None,
    low: float | None = None,
    high: float | None = None,
    functions: Sequence[str] = FUNCTIONS,
    sqrt_s: float = 13_000.0,
    veto: Sequence[tuple[float, float]] = (),
    sides: str = "both",
) -> SpectrumFit:
    """Fit sideband masses (N,) in GeV on both sides of a hole, choosing function and, without `low`, the lower edge.

    Masses in a `veto` (rising ranges in GeV) are left out, and so is the range itself: the likelihood integrates only
    what is between vetoes. With `sides` "below" or "above" there is a sideband on that side alone, and what the fit
    says of the hole is an extrapolation. Masses more than a factor 1000 below the hole are left out too.

    The lower edge starts at the maximum of the spectrum, below which a trigger or selection turns it on, and rises
    until the fit is acceptable (χ² p >= 0.01, and no larger function asked for); if it never is, the best one comes
    back and says so (`acceptable`). That p-value was searched for and reads accordingly. The upper edge, unless given,
    is 1.1 times the largest mass: an edge at the last event itself would hide that nothing lies beyond it and bias the
    tail upwards.

    Raises
    ------
    SpectrumError
        If a mass lies inside the hole: the fit is blind by construction. If one is not positive, or beyond √s. Or if
        there are too few events to fit.
    """
    inside = (mass >= hole[0]) & (mass < hole[1])
    if inside.any():
        raise SpectrumError(
            f"{int(inside.sum())} of {len(mass)} masses lie inside the blinded window {hole[0]:g}–{hole[1]:g} GeV. "
            "Hand over sideband events only."
        )
    if len(mass) == 0:
        raise SpectrumError("No sideband events: there is no spectrum to fit.")
    if float(mass.max()) > sqrt_s:
        raise SpectrumError(f"A mass of {mass.max():g} GeV is beyond √s = {sqrt_s:g} GeV: check the unit.")
    refuse_impossible(mass)
    top = min(max(1.2 * hole[1], 1.1 * float(mass.max())), sqrt_s) if high is None else high
    bottom = max(float(mass.min()), hole[0] / SPAN) if low is None else low
    # The fit is one of weights without a unit; what it found gets the unit back.
    size = 1.0 if weights is None else mean_size(weights)
    shares = None if weights is None else standardised(weights)
    bins = sideband_bins(mass, hole, bottom, top, weights=shares, veto=veto, sides=sides)
    # Above the window nothing turns on, and what is there is needed to come down to it.
    if low is None and sides != "above":
        return _from_the_turn_on(bins, hole, functions, sqrt_s).scaled(size)
    return choose_function(bins, functions, sqrt_s=sqrt_s).scaled(size)


def _from_the_turn_on(bins: Bins, hole: Pair, functions: Sequence[str], sqrt_s: float) -> SpectrumFit:
    """The fit from the lowest edge that gives an acceptable one."""
    below = np.flatnonzero(bins.high <= hole[0] * (1 + 1e-9))
    first = int(np.argmax((bins.content / bins.width)[below]))
    last = max(len(below) - _FEWEST_LOWER_BINS, first)
    tried = []
    for start in range(first, last + 1):
        tried.append(choose_function(bins[start:], functions, sqrt_s=sqrt_s))
        if tried[-1].acceptable:
            break
    return max(tried, key=lambda fit: (fit.acceptable, fit.p_value))


def _f_test(smaller: SpectrumFit, larger: SpectrumFit) -> FTest:
    from scipy import stats

    more = smaller.ndof - larger.ndof
    statistic = max(smaller.chi2 - larger.chi2, 0.0) / more / max(larger.chi2 / larger.ndof, 1e-300)
    p_value = float(stats.f.sf(statistic, more, larger.ndof))
    return FTest(smaller.function, larger.function, statistic, p_value)
