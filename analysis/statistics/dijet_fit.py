"""The dijet functions: smoothly falling, fitted to the bins of a mass spectrum.

Binned extended maximum likelihood of

    f(m) = N (1 − x)^p1 / x^(p2 + p3 ln x + p4 ln²x + p5 ln³x),   x = m/√s,

of which f2 keeps p1 and p2, f3 also p3, and so on. ln f is linear in the parameters, so the fit runs in an orthonormal
basis of these terms with ln x centred on the fit range: the published p1 and p2 are correlated by −0.985, the
coefficients in this basis hardly. Bins integrate the density; it is never read off at their centres.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import SpectrumError
from analysis.statistics.binning import Bins
from analysis.statistics.loglinear import LogLinearLikelihood, nodes

FloatArray = NDArray[np.floating[Any]]

FUNCTIONS = ("f2", "f3", "f4", "f5")
"""Dijet functions to choose from, by their number of shape parameters."""

_ARRAYS = ("basis", "coefficients", "covariance", "expected")
_ACCEPTABLE = 0.01
_PREFERRED = 0.05
#: The largest m/√s whose logarithm is taken.
_LAST = 1 - 1e-6


def n_parameters(function: str) -> int:
    """Parameters of a dijet function, its normalisation included.

    >>> n_parameters("f4")
    5
    """
    if not re.fullmatch("f[2-9]", function):
        raise SpectrumError(f"No dijet function '{function}'; there are {', '.join(FUNCTIONS)}.")
    return int(function[1:]) + 1


@dataclass(frozen=True)
class FTest:
    """Does a larger function describe the bins better than chance would? p_value is only approximate for few events."""

    smaller: str
    larger: str
    statistic: float
    p_value: float


@dataclass(frozen=True, eq=False)
class SpectrumFit:
    """A fitted dijet function.

    Attributes
    ----------
    function : its name, one of `FUNCTIONS`.
    sqrt_s, centre : collision energy and centre of the logarithms, GeV.
    basis : (k, k), columns are the orthonormal combinations of the terms 1, ln(1 − x), −u, −u², …, u = ln(m/centre).
    coefficients, covariance : (k,) and (k, k), of ln(f/unit) in that basis.
    bins : the bins that were fitted, in units of `unit`; `expected` (B,) the fitted content of each.
    chi2, ndof, p_value : Pearson's χ² of these bins.
    f_tests : the comparisons by which the function was chosen.
    alternative : fit of the next larger function to the same bins; its distance is the uncertainty of the choice.
    unit : weight of a typical event, in which f was fitted: so no digit of the shape depends on the unit of weights.
    """

    function: str
    sqrt_s: float
    centre: float
    basis: FloatArray
    coefficients: FloatArray
    covariance: FloatArray
    bins: Bins
    expected: FloatArray
    chi2: float
    ndof: int
    p_value: float
    f_tests: tuple[FTest, ...] = ()
    alternative: SpectrumFit | None = None
    unit: float = 1.0

    @property
    def low(self) -> float:
        """Lower edge of the fit range, GeV."""
        return float(self.bins.low[0])

    @property
    def high(self) -> float:
        """Upper edge of the fit range, GeV."""
        return float(self.bins.high[-1])

    @property
    def acceptable(self) -> bool:
        """Whether nothing speaks against the description: χ² p >= 0.01, and no larger function preferred at 0.05."""
        refused = any(test.smaller == self.function and test.p_value < _PREFERRED for test in self.f_tests)
        return self.p_value >= _ACCEPTABLE and not refused

    @property
    def pulls(self) -> FloatArray:
        """(content − expected)/error of each bin, (B,); their squares sum to χ²."""
        pulls: FloatArray = (self.bins.content - self.expected) / np.sqrt(self.bins.scale * self.expected)
        return pulls

    def density(self, mass: ArrayLike) -> FloatArray:
        """Events per GeV at masses (N,) in GeV."""
        return self.shape(mass) * self.unit

    def shape(self, mass: ArrayLike) -> FloatArray:
        """The density in units of `unit`, which is the same whatever the unit of the weights."""
        shape: FloatArray = np.exp(self._terms(mass) @ self.coefficients)
        return shape

    def scaled(self, factor: float) -> SpectrumFit:
        """The fit to the same events, each with `factor` times its weight."""
        other = self.alternative and self.alternative.scaled(factor)
        return replace(self, unit=self.unit * factor, alternative=other)

    def log_error(self, mass: ArrayLike) -> FloatArray:
        """Standard deviation of ln f at masses (N,) in GeV: fitted parameters, and choice of function."""
        terms = self._terms(mass)
        variance: FloatArray = np.einsum("...i,ij,...j->...", terms, self.covariance, terms)
        if self.alternative is not None:
            ratio = self.alternative.shape(mass) / self.shape(mass) * (self.alternative.unit / self.unit)
            variance = variance + np.log(ratio) ** 2
        return np.sqrt(variance)

    def band(self, mass: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Density one standard deviation down and up, (N,) each; symmetric in ln f, so never negative."""
        density, error = self.density(mass), self.log_error(mass)
        factor: FloatArray = np.exp(error)
        return density / factor, density * factor

    def integral(self, low: float, high: float) -> tuple[float, float]:
        """Events expected between two masses in GeV, and the error of that expectation.

        The error is that of the fitted parameters and, in quadrature, the shift to the alternative function: an F-test
        sometimes stops one function early, and without the shift toys scatter 1.25 times wider than their errors. The
        Poisson fluctuation of a count is not in it.
        """
        edges = np.linspace(low, high, 17)
        at, weights = nodes(edges[:-1], edges[1:])
        part = self.shape(at) * weights
        slope = np.einsum("bq,bqk->k", part, self._terms(at))
        total, variance = float(part.sum()), float(slope @ self.covariance @ slope)
        if self.alternative is not None:
            variance += (self.alternative.integral(low, high)[0] / self.unit - total) ** 2
        return total * self.unit, float(np.sqrt(variance)) * self.unit

    @property
    def parameters(self) -> tuple[FloatArray, FloatArray]:
        """The published parameters (ln N, p1, p2, …) and their covariance; strongly correlated by construction."""
        to_published = _uncentre(len(self.coefficients), np.log(self.centre / self.sqrt_s)) @ self.basis
        values: FloatArray = to_published @ self.coefficients
        values[0] += np.log(self.unit)
        covariance: FloatArray = to_published @ self.covariance @ to_published.T
        return values, covariance

    def _terms(self, mass: ArrayLike) -> FloatArray:
        terms: FloatArray = _raw_terms(mass, len(self.coefficients), self.sqrt_s, self.centre) @ self.basis
        return terms

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        content |= {name: content[name].tolist() for name in _ARRAYS}
        content |= {"bins": self.bins.to_dict(), "f_tests": [vars(t) for t in self.f_tests]}
        return content | {"alternative": self.alternative and self.alternative.to_dict()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> SpectrumFit:
        """Inverse of `to_dict`."""
        rest: dict[str, Any] = {name: np.asarray(content[name], dtype=float) for name in _ARRAYS}
        rest |= {"bins": Bins.from_dict(content["bins"]), "f_tests": tuple(FTest(**t) for t in content["f_tests"])}
        other = content["alternative"]
        return cls(**{**content, **rest, "alternative": None if other is None else cls.from_dict(other)})


@dataclass(frozen=True, eq=False)
class DijetForm:
    """A dijet function whose logarithm is terms(m) · θ, with terms that are orthonormal where the events are."""

    function: str
    sqrt_s: float
    centre: float
    basis: FloatArray

    @classmethod
    def centred(cls, function: str, bins: Bins, sqrt_s: float) -> DijetForm:
        """The form for bins, of which some may be empty."""
        k = n_parameters(function)
        centre = float(np.sqrt(bins.low[0] * bins.high[-1]))
        filled = bins.content > 0
        middle = np.sqrt(bins.low * bins.high)[filled]
        weight = bins.content[filled, None] / np.sqrt(bins.variance[filled, None])
        basis = np.linalg.inv(np.linalg.qr(_raw_terms(middle, k, sqrt_s, centre) * weight)[1])
        return cls(function, sqrt_s, centre, basis)

    def terms(self, mass: ArrayLike) -> FloatArray:
        """Terms (..., k) at masses (...,) in GeV."""
        found: FloatArray = _raw_terms(mass, len(self.basis), self.sqrt_s, self.centre) @ self.basis
        return found


def fit_bins(bins: Bins, function: str, *, sqrt_s: float = 13_000.0) -> SpectrumFit:
    """Fit one function to bins, weighted or not.

    Raises
    ------
    SpectrumError
        For an unknown function, not more bins than parameters, masses beyond √s, or no maximum.
    """
    k = n_parameters(function)
    if len(bins) <= k:
        raise SpectrumError(
            f"{function} with its normalisation has {k} parameters, but only {len(bins)} bins hold enough events "
            f"between {bins.low[0]:g} and {bins.high[-1]:g} GeV. Widen the sidebands or choose a smaller function."
        )
    if bins.high[-1] > sqrt_s:
        raise SpectrumError(f"The fit range ends at {bins.high[-1]:g} GeV, beyond √s = {sqrt_s:g} GeV: check the unit.")
    unit = float(bins.scale.mean())
    bins = bins.scaled(1 / unit)
    form = DijetForm.centred(function, bins, sqrt_s)
    basis, centre, terms = form.basis, form.centre, form.terms
    middle, weight = np.sqrt(bins.low * bins.high), np.sqrt(bins.effective)[:, None]
    likelihood = LogLinearLikelihood.of(bins, terms)
    start = np.linalg.lstsq(terms(middle) * weight, weight[:, 0] * np.log(bins.content / bins.width), rcond=None)[0]
    theta = likelihood.maximise(start)
    expected, covariance = likelihood.expected(theta), likelihood.covariance(theta)
    chi2 = float(np.sum((bins.content - expected) ** 2 / (bins.scale * expected)))
    ndof = len(bins) - k
    from scipy import special

    p_value = float(special.chdtrc(ndof, chi2))
    fit = SpectrumFit(function, sqrt_s, centre, basis, theta, covariance, bins, expected, chi2, ndof, p_value)
    return replace(fit, unit=unit)


def _raw_terms(mass: ArrayLike, k: int, sqrt_s: float, centre: float) -> FloatArray:
    """1, ln(1 − x), −u, −u², … at masses (...,): (..., k)."""
    m = np.asarray(mass, dtype=float)
    u = np.log(m / centre)
    # Bins may end at √s, where the density is zero and its logarithm none.
    below = np.log1p(-np.minimum(m / sqrt_s, _LAST))
    return np.stack([np.ones_like(u), below] + [-(u**power) for power in range(1, k - 1)], axis=-1)


def _uncentre(k: int, shift: float) -> FloatArray:
    """Matrix from coefficients of powers of u = ln x − shift to those of powers of ln x."""
    matrix = np.eye(k)
    for power in range(1, k - 1):
        matrix[0, power + 1] = -((-shift) ** power)
        for lower in range(1, power):
            matrix[lower + 1, power + 1] = comb(power, lower) * (-shift) ** (power - lower)
    return matrix
