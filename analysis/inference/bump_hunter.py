"""A bump of any place and width in a spectrum whose background is known (BumpHunter, 1101.0390)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.errors import SpectrumError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Bump:
    """The least likely excess of all windows of bins, edges in GeV, and how often background alone has one as unlikely.

    `local` is its Poisson p-value, `p_value` the global one by so many `toys`, with its binomial `error`; nothing below
    1/(toys + 1) can be said.
    """

    low: float
    high: float
    observed: float
    expected: float
    local: float
    p_value: float
    error: float
    toys: int


def bump_hunt(
    counts: ArrayLike, expected: ArrayLike, edges: ArrayLike, *, widths: tuple[int, int] = (2, 6), toys: int, seed: int
) -> Bump:
    """Scan counts (B,) against an expected background (B,) in bins with B + 1 rising edges, GeV.

    All windows of `widths` bins, both ends included, are looked at, and all of them in every toy: their correlation
    needs no formula. The background is taken for known; where it was fitted or learned, only toys of the full chain
    say what a window is worth (`global_p_value`).

    Raises
    ------
    SpectrumError
        If shapes do not fit, nothing is expected somewhere, no window fits in, or there are no toys.
    """
    n, b, at = (np.asarray(each, dtype=np.float64) for each in (counts, expected, edges))
    narrow, wide = widths
    if n.shape != b.shape or at.shape != (len(n) + 1,) or not (b > 0).all() or (n < 0).any():
        raise SpectrumError(f"{n.shape} counts, {b.shape} of background and {at.shape} edges are no spectrum.")
    if not 1 <= narrow <= wide <= len(n) or toys < 1:
        raise SpectrumError(f"Windows of {narrow} to {wide} of {len(n)} bins, and {toys} toys, are no scan.")
    drawn = np.random.default_rng(seed).poisson(b, (toys, len(b))).astype(np.float64)
    smallest, place = _scan(n[None, :], b, narrow, wide)
    null, _ = _scan(drawn, b, narrow, wide)
    low, width = (int(each) for each in place[0])
    inside = slice(low, low + width)
    # Equal counts give equal p-values to the last bit, or nearly.
    p = (1 + int((null <= smallest[0] * (1 + 1e-9)).sum())) / (1 + toys)
    return Bump(
        float(at[low]),
        float(at[low + width]),
        float(n[inside].sum()),
        float(b[inside].sum()),
        float(smallest[0]),
        p,
        float(np.sqrt(p * (1 - p) / (1 + toys))),
        toys,
    )


def _scan(counts: FloatArray, expected: FloatArray, narrow: int, wide: int) -> tuple[FloatArray, NDArray[np.int64]]:
    """Smallest p-value of spectra (T, B), (T,), and first bin and width of its window, (T, 2)."""
    sums = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(counts, axis=1)], axis=1)
    totals = np.concatenate([[0.0], np.cumsum(expected)])
    best, place = np.ones(len(counts)), np.zeros((len(counts), 2), dtype=np.int64)
    place[:, 1] = narrow
    for width in range(narrow, wide + 1):
        n, b = sums[:, width:] - sums[:, :-width], totals[width:] - totals[:-width]
        p = np.where(n > b, special.gammainc(np.maximum(n, 1e-300), b), 1.0)
        first = p.argmin(axis=1)
        found = p[np.arange(len(p)), first]
        better = found < best
        best = np.where(better, found, best)
        place[better] = np.stack([first, np.full(len(first), width)], axis=1)[better]
    return best, place
