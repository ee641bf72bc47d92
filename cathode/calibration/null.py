"""The distribution of significances without a signal, and what a significance is worth under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.statistics.p_values import p_to_z, z_to_p
from cathode.errors import CalibrationError

#: Pseudo-experiments of which a distribution is made at least.
FEWEST = 20


@dataclass(frozen=True)
class CorrectedPValue:
    """A p-value under the null distribution of the search itself.

    Attributes
    ----------
    value : the corrected p-value, and `low` to `high` its interval of one standard deviation.
    significance : of `value`, in one-sided standard deviations; for a deficit, where it is negative, of the share of
        experiments that were at most as high.
    resolution : the smallest p-value that so many pseudo-experiments can give without a model of the tail.
    extrapolated : whether it comes from the tail of a fitted normal distribution, because none of them reached so far.
    """

    value: float
    low: float
    high: float
    significance: float
    resolution: float
    extrapolated: bool


@dataclass(frozen=True)
class NullDistribution:
    """Signed significances (n,) that background-only pseudo-experiments of a search gave at one cut.

    Of a perfect search they are N(0, 1). `mean` and `width` come with their statistical errors.
    """

    significances: tuple[float, ...]

    def __post_init__(self) -> None:
        values = np.asarray(self.significances)
        if len(values) < FEWEST or not np.isfinite(values).all():
            raise CalibrationError(
                f"{int(np.isfinite(values).sum())} finite significances of {len(values)} pseudo-experiments; at least "
                f"{FEWEST} are needed, all finite. Make more of them."
            )

    def __len__(self) -> int:
        return len(self.significances)

    @property
    def mean(self) -> tuple[float, float]:
        """Mean and its error."""
        return float(np.mean(self.significances)), self.width[0] / len(self) ** 0.5

    @property
    def width(self) -> tuple[float, float]:
        """Standard deviation and its error."""
        width = float(np.std(self.significances, ddof=1))
        return width, width / (2 * (len(self) - 1)) ** 0.5

    @property
    def ks_p_value(self) -> float:
        """Probability of a larger Kolmogorov-Smirnov distance of so many values of N(0, 1) from it."""
        return float(stats.kstest(np.asarray(self.significances), "norm").pvalue)

    def corrected(self, significance: float) -> CorrectedPValue:
        """What a signed significance is worth: the share of pseudo-experiments that reached it.

        p = (1 + number that reached it) / (n + 1), which is valid for any distribution. Beyond the largest of them it
        is the probability of one more number of the same normal distribution, of which n are known: Student's t with
        n − 1 degrees of freedom. A normal tail with their mean and width would take these for exact, and at 4 σ give a
        p-value that is too small by a factor of ten with 20 of them. The interval is that of the tail itself, by
        the errors of mean and width.
        """
        reached = int(np.sum(np.asarray(self.significances) >= significance))
        resolution = 1 / (len(self) + 1)
        if reached == 0:
            value, low, high = self._tail(significance)
        else:
            value = (1 + reached) / (len(self) + 1)
            # Clopper & Pearson (1934), one standard deviation.
            low = float(stats.beta.ppf(0.1587, reached, len(self) - reached + 1))
            high = float(stats.beta.ppf(0.8413, reached + 1, len(self) - reached)) if reached < len(self) else 1.0
        return CorrectedPValue(
            value, min(low, value), max(high, value), self._signed(significance, value), resolution, reached == 0
        )

    def _signed(self, significance: float, p_value: float) -> float:
        """Significance of a p-value or, if that is above ½, less that of the other tail."""
        if p_value < 0.5:
            return float(p_to_z(p_value))
        below = int(np.sum(np.asarray(self.significances) <= significance))
        mirrored = NullDistribution(tuple(-z for z in self.significances))
        other = (1 + below) / (len(self) + 1) if below else mirrored._tail(-significance)[0]
        return -max(float(p_to_z(other)), 0.0)

    def _tail(self, significance: float) -> tuple[float, float, float]:
        mean, width = self.mean[0], self.width[0]
        t = (significance - mean) / width
        # Errors of mean and width of n normal numbers are independent.
        error = ((1 + t * t / 2) / len(self)) ** 0.5
        # The next number has a scatter of its own beside the error of the mean.
        further = (1 + 1 / len(self)) ** 0.5
        value = float(stats.t.sf(t / further, len(self) - 1))
        low, high = (float(z_to_p(at)) for at in (t + error, t - error))
        # None of n reached it, so it can not be likelier than about one in n.
        return min(value, 1 / (len(self) + 1)), low, high


def halves(significances: Sequence[float]) -> tuple[NullDistribution, NullDistribution]:
    """Every second pseudo-experiment to calibrate with, and the others to test it with."""
    return NullDistribution(tuple(significances[::2])), NullDistribution(tuple(significances[1::2]))


def corrected_significances(by: NullDistribution, of: NullDistribution) -> NullDistribution:
    """The significances of one half, corrected by the other: N(0, 1) up to statistics if the correction holds."""
    mean, width = by.mean[0], by.width[0]
    return NullDistribution(tuple((z - mean) / width for z in of.significances))
