"""One p-value of several: cuts, folds, or choices of hyperparameters (2408.12296)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.errors import CountingError

FloatArray = NDArray[np.float64]


def smallest(p: FloatArray) -> FloatArray:
    """The smallest of K independent p-values (…, K), with the price of having looked at all (Šidák)."""
    values = _checked(p)
    return np.asarray(-np.expm1(values.shape[-1] * np.log1p(-values.min(axis=-1))))


def fisher(p: FloatArray) -> FloatArray:
    """Fisher's method for independent p-values (…, K): −2 Σ ln p is χ² with 2K degrees of freedom."""
    values = _checked(p)
    with np.errstate(divide="ignore"):
        statistic = -2 * np.log(values).sum(axis=-1)
    return np.asarray(stats.chi2.sf(statistic, 2 * values.shape[-1]))


def cauchy(p: FloatArray) -> FloatArray:
    """The Cauchy combination (Liu & Xie, 1808.09011): its tail is right for dependent p-values (…, K) too.

    A p-value above 1 − 1/1000 counts as that: one of 1, as of a fold without an event, would outweigh any other.
    """
    values = np.minimum(_checked(p), 1 - 1e-3)
    with np.errstate(divide="ignore"):
        each = np.where(values < 1e-15, 1 / (np.pi * np.maximum(values, 1e-300)), np.tan((0.5 - values) * np.pi))
    return np.asarray(stats.cauchy.sf(each.mean(axis=-1)))


#: Ways to combine, by name.
COMBINATIONS: Mapping[str, Callable[[FloatArray], FloatArray]] = MappingProxyType(
    {"smallest": smallest, "fisher": fisher, "cauchy": cauchy}
)


def calibrated(p: FloatArray, null: FloatArray, combine: Callable[[FloatArray], FloatArray]) -> tuple[float, float]:
    """P-value of a combination of p (K,) by T background-only experiments (T, K), and its binomial error.

    Whatever `combine` assumes of independence then does not matter. With T experiments nothing below 1/(T + 1) can be
    said.
    """
    toys = np.asarray(combine(null), dtype=np.float64)
    if toys.ndim != 1 or not len(toys):
        raise CountingError(f"Experiments of shape {np.shape(null)} are no (T, K).")
    found = (1 + int((toys <= float(combine(np.asarray(p)))).sum())) / (1 + len(toys))
    return found, float(np.sqrt(found * (1 - found) / (1 + len(toys))))


def _checked(p: FloatArray) -> FloatArray:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim < 1 or not values.shape[-1] or not ((values >= 0) & (values <= 1)).all():
        raise CountingError("P-values to combine have to lie between 0 and 1, one or more of them.")
    return values
