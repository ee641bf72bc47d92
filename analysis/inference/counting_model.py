"""A counting experiment: a Poisson count beside an auxiliary measurement of the background."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analysis.errors import CountingError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class CountingModel:
    """n ~ Poisson(µ s + b) and m ~ Poisson(τ b) with τ = b₀/σ², so that the auxiliary m alone says b₀ ± σ.

    This is the likelihood behind `significance_with_uncertainty` and the "uncorrelated background" of pyhf. All
    likelihoods are profiled in closed form (Cowan, Cranmer, Gross & Vitells, 1007.1727, for the statistics).

    Attributes
    ----------
    observed : n, events that pass; weighted ones in units of their mean weight.
    background, error : b₀ and σ in events; all uncertainties of the prediction in quadrature.
    signal : s, events that pass at strength 1.

    Raises
    ------
    CountingError
        If a number makes no sense; names it.
    """

    observed: float
    background: float
    error: float
    signal: float = 1.0

    def __post_init__(self) -> None:
        checks = {
            "observed": self.observed >= 0,
            "background": self.background > 0,
            "error": self.error >= 0,
            "signal": self.signal > 0,
        }
        for name, fits in checks.items():
            if not (fits and math.isfinite(getattr(self, name))):
                raise CountingError(
                    f"A counting experiment with {name} = {getattr(self, name):g}: it must be "
                    f"{'positive' if name in ('background', 'signal') else 'zero or more'} and finite."
                )

    @property
    def strength(self) -> float:
        """The strength that describes the counts best, negative for a deficit."""
        return (self.observed - self.background) / self.signal

    def discovery(self) -> float:
        """Signed √q₀: the asymptotic significance of an excess, negative for a deficit."""
        n, m = np.array([self.observed]), np.array([self._auxiliary])
        statistic = self._ratio(0.0, n, m)[0]
        return math.copysign(math.sqrt(statistic), self.strength) if self.strength else 0.0

    def q_tilde(self, strength: float) -> float:
        """q̃ of a strength: larger the less the counts agree with it, 0 if they are above it."""
        return float(self._q_tilde(strength, np.array([self.observed]), np.array([self._auxiliary]))[0])

    def asimov(self, strength: float = 0.0) -> Self:
        """The experiment that sees exactly what a strength predicts, with the background that is most likely at it."""
        n, m = np.array([self.observed]), np.array([self._auxiliary])
        b = float(self._profiled(strength, n, m)[0])
        error = math.sqrt(b / self._tau) if self.error else 0.0
        return replace(self, observed=strength * self.signal + b, background=b, error=error)

    def toys(self, strength: float, tested: float, number: int, *, seed: int) -> FloatArray:
        """q̃ of `tested` in so many experiments at a true strength, (number,); the background is what the data say."""
        rng = np.random.default_rng(seed)
        b = float(self._profiled(strength, np.array([self.observed]), np.array([self._auxiliary]))[0])
        n = rng.poisson(strength * self.signal + b, number).astype(np.float64)
        m = rng.poisson(self._tau * b, number).astype(np.float64) if self.error else np.full(number, math.inf)
        return self._q_tilde(tested, n, m)

    def at_most(self) -> float:
        """A strength that any limit is below."""
        spread = math.sqrt(self.background + self.error**2 + 1)
        return (max(self.observed - self.background, 0.0) + 10 * spread + 10) / self.signal

    @property
    def _tau(self) -> float:
        return self.background / self.error**2 if self.error else math.inf

    @property
    def _auxiliary(self) -> float:
        return self._tau * self.background

    def _profiled(self, strength: float, n: FloatArray, m: FloatArray) -> FloatArray:
        """The background (N,) that is most likely at a strength."""
        if not self.error:
            return np.full(len(n), self.background)
        s, scale = strength * self.signal, 1 + self._tau
        half = 0.5 * (scale * s - n - m)
        root = np.sqrt(half**2 + scale * m * s)
        # Of the two forms of the root the one that does not cancel.
        with np.errstate(divide="ignore", invalid="ignore"):
            other = np.where(root + half > 0, m * s / (root + half), 0.0)
        return np.where(half <= 0, (root - half) / scale, other)

    def _ratio(self, strength: float, n: FloatArray, m: FloatArray) -> FloatArray:
        """−2 ln of the likelihood at a strength over the largest one, (N,)."""
        b = self._profiled(strength, n, m)
        expected = strength * self.signal + b
        if not self.error:
            return 2 * _deviance(n, expected)
        return 2 * (_deviance(n, expected) + _deviance(m, self._tau * b))

    def _q_tilde(self, strength: float, n: FloatArray, m: FloatArray) -> FloatArray:
        seen = m / self._tau if self.error else np.full(len(n), self.background)
        best = (n - seen) / self.signal
        statistic = self._ratio(strength, n, m)
        below = best < 0
        if below.any():
            # No strength is negative: what such counts are compared with is none.
            statistic = np.where(below, statistic - self._ratio(0.0, n, m), statistic)
        return np.where(best > strength, 0.0, np.maximum(statistic, 0.0))


def _deviance(n: Any, expected: FloatArray) -> FloatArray:
    """Expected − n + n ln(n/expected), without cancellation where both are alike: half of what a Poisson count adds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.where(n > 0, (expected - n) / n, 0.0)
        found = np.where(n > 0, n * (excess - np.log1p(excess)), expected)
    return np.asarray(np.maximum(np.where(np.isnan(found), 0.0, found), 0.0))
