"""A small p-value somewhere: what it means when many places were looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CountingError
from analysis.statistics.p_values import p_to_z, z_to_p

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class GlobalPValue:
    """The probability of as small a local p-value anywhere, by two ways, each with its error.

    `by_crossings` is the bound of Gross & Vitells (1005.1891), right for large significances of a smooth scan;
    `by_toys` is the share of background-only scans, all retrained, whose largest significance is as large, with
    `resolution` 1/(toys + 1). None where that was not done. `spectra` is the number of spectra that were looked at: the
    global p-values are those of the most significant one of so many.
    """

    local: float
    by_crossings: float | None
    crossings_error: float
    by_toys: float | None
    toys_error: float
    resolution: float
    spectra: int = 1

    @property
    def significance(self) -> float:
        """Of the toys if there are any, else of the crossings."""
        best = self.by_crossings if self.by_toys is None else self.by_toys
        return float(p_to_z(self.local if best is None else best))


def up_crossings(significance: FloatArray, level: float) -> FloatArray:
    """How often scans (T, M) of signed significances rise through a level, (T,)."""
    scans = np.atleast_2d(np.asarray(significance, dtype=np.float64))
    above = scans > level
    return np.asarray((above[:, 1:] & ~above[:, :-1]).sum(axis=1) + above[:, 0], dtype=np.float64)


def global_p_value(
    largest: float, scans: FloatArray, *, level: float = 0.7, retrained: bool = True, spectra: int = 1
) -> GlobalPValue:
    """Global p-value of the `largest` significance of a scan, from background-only scans (T, M) in the same windows.

    With windows that learn their cut the asymptotic field is an approximation: both ways are printed. `retrained` says
    whether the scans repeat everything, or only refluctuate: then they count crossings and no maxima.

    Raises
    ------
    CountingError
        If there are fewer than 2 scans, or values are no numbers.
    """
    scans = np.atleast_2d(np.asarray(scans, dtype=np.float64))
    if len(scans) < 2 or not np.isfinite(scans).all() or spectra < 1:
        raise CountingError(f"Scans of shape {scans.shape} for {spectra} spectra: two finite ones are the least.")
    local = float(z_to_p(largest))
    crossings = up_crossings(scans, level)
    # One-sided: half of a χ² with one degree of freedom.
    ratio = float(np.exp(-0.5 * (largest**2 - level**2)))
    bound = min(1.0, local + float(crossings.mean()) * ratio) if largest > level else 1.0
    error = float(crossings.std(ddof=1) / np.sqrt(len(crossings))) * ratio
    found, spread = None, 0.0
    if retrained:
        found = (1 + int((scans.max(axis=1) >= largest).sum())) / (1 + len(scans))
        spread = float(np.sqrt(found * (1 - found) / (1 + len(scans))))
    return GlobalPValue(
        local,
        _of_many(bound, spectra),
        error * spectra,
        None if found is None else _of_many(found, spectra),
        spread * spectra,
        1 / (1 + len(scans)),
        spectra,
    )


def _of_many(p: float, spectra: int) -> float:
    """The smallest of so many independent ones."""
    return float(-np.expm1(spectra * np.log1p(-p))) if p < 1 else 1.0
