"""A small p-value somewhere: what it means when many places were looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CountingError
from analysis.statistics.p_values import p_to_z, z_to_p

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class GlobalPValue:
    """The probability of as small a local p-value anywhere, by several ways, each with its error.

    `by_crossings` is the bound of Gross & Vitells (1005.1891), right for large significances of a smooth scan;
    `by_toys` is the share of background-only scans, all retrained, whose largest significance is as large, with
    `resolution` 1/(toys + 1). None where that was not done. `spectra` is the number of spectra that were looked at: the
    global p-values are those of the most significant one of so many. `by_windows` is `windows` times the local p-value
    (Bonferroni): a bound whatever the correlation of the windows, None where their number was not given.
    """

    local: float
    by_crossings: float | None
    crossings_error: float
    by_toys: float | None
    toys_error: float
    resolution: float
    spectra: int = 1
    windows: int = 1
    by_windows: float | None = None

    @property
    def quoted(self) -> float:
        """By the toys if there are any, else the bound by the number of windows, which assumes least."""
        ways = (self.by_toys, self.by_windows, self.by_crossings)
        return next((p for p in ways if p is not None), self.local)

    @property
    def significance(self) -> float:
        """Of the `quoted` one."""
        return float(p_to_z(self.quoted))


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


def of_one_scan(
    significance: FloatArray,
    scans: FloatArray | None = None,
    *,
    windows: int | None = None,
    level: float = 0.7,
    spectra: int = 1,
) -> GlobalPValue:
    """Global p-value of a scan (M,) of local significances; NaN in windows that have none.

    With background-only `scans` (T, M), everything retrained, as `global_p_value`. Without, crossings are those of the
    scan itself, with their Poisson error: what is excessive in it is then counted as background. `windows` is how many
    places were looked at, M unless more were.

    Raises
    ------
    CountingError
        If no significance is finite, fewer windows than these were looked at, or the scans are of others.
    """
    values = np.asarray(significance, dtype=np.float64)
    looked = len(values) if windows is None else windows
    if not np.isfinite(values).any() or looked < len(values):
        raise CountingError(f"A scan of {np.isfinite(values).sum()} finite of {len(values)} windows, of {looked}.")
    values = np.where(np.isfinite(values), values, -np.inf)
    largest = float(values.max())
    if scans is None:
        local = float(z_to_p(largest))
        crossings = float(up_crossings(values, level)[0])
        ratio = float(np.exp(-0.5 * (largest**2 - level**2)))
        bound = min(1.0, local + crossings * ratio) if largest > level else 1.0
        found = GlobalPValue(
            local, _of_many(bound, spectra), float(np.sqrt(crossings)) * ratio * spectra, None, 0.0, 1.0, spectra
        )
    else:
        toys = np.atleast_2d(np.asarray(scans, dtype=np.float64))
        if toys.shape[1] != len(values):
            raise CountingError(f"Scans of {toys.shape[1]} windows for one of {len(values)}.")
        # A window without a significance has no excess; the lowest number that stays finite.
        found = global_p_value(largest, np.nan_to_num(toys, nan=-38.0), level=level, spectra=spectra)
    return replace(found, windows=looked, by_windows=min(1.0, looked * spectra * found.local))


def _of_many(p: float, spectra: int) -> float:
    """The smallest of so many independent ones."""
    return float(-np.expm1(spectra * np.log1p(-p))) if p < 1 else 1.0
