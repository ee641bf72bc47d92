"""Maximum likelihood of a density whose logarithm is linear in its parameters, in bins that integrate it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import SpectrumError
from analysis.statistics.binning import Bins

FloatArray = NDArray[np.floating[Any]]

_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(12)
_STATIONARY = 1e-2


def nodes(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes (B, q) of bins and their weights (B, q)."""
    half = 0.5 * (high - low)[:, None]
    return 0.5 * (high + low)[:, None] + half * _NODES, half * _NODE_WEIGHTS


@dataclass(frozen=True, eq=False)
class LogLinearLikelihood:
    """Extended Poisson likelihood of bins under the density exp(terms(m) · theta).

    Weighted bins, negative weights included, use the same estimating equation; their covariance follows from the sum of
    squared weights (the sandwich), which for unweighted bins is the usual inverse of the information.

    Attributes
    ----------
    bins : B bins.
    terms : (B, q, k), the terms at the nodes of every bin.
    weights : (B, q), quadrature weights of the nodes.
    """

    bins: Bins
    terms: FloatArray
    weights: FloatArray

    @classmethod
    def of(cls, bins: Bins, terms: Callable[[FloatArray], FloatArray]) -> LogLinearLikelihood:
        """The likelihood of bins for terms that map masses (...,) to (..., k)."""
        at, weights = nodes(bins.low, bins.high)
        return cls(bins, terms(at), weights)

    def expected(self, theta: FloatArray) -> FloatArray:
        """Contents (B,) that are expected for parameters theta (k,)."""
        expected: FloatArray = self._at_nodes(theta).sum(axis=1)
        return expected

    def value(self, theta: FloatArray) -> float:
        """Negative log-likelihood above the saturated model, per mean weight: of the order of χ²/2."""
        mu, n = self.expected(theta), self.bins.content
        return float(np.sum(mu - n + n * np.log(n / mu)) / self._typical)

    def gradient(self, theta: FloatArray) -> FloatArray:
        """Derivative (k,) of `value`."""
        at_nodes = self._at_nodes(theta)
        residual = 1.0 - self.bins.content / at_nodes.sum(axis=1)
        slope: FloatArray = (residual[:, None] * at_nodes).ravel() @ self.terms.reshape(at_nodes.size, -1)
        return slope / self._typical

    def covariance(self, theta: FloatArray) -> FloatArray:
        """Covariance (k, k) of the estimate, from the expected information.

        Raises
        ------
        SpectrumError
            If there is none, because the bins do not tell the parameters apart.
        """
        at_nodes = self._at_nodes(theta)
        mu = at_nodes.sum(axis=1)
        slopes = np.einsum("bq,bqk->bk", at_nodes, self.terms) / mu[:, None]
        try:
            inverse = np.linalg.inv((slopes * mu[:, None]).T @ slopes)
        except np.linalg.LinAlgError:
            raise SpectrumError(
                f"The {slopes.shape[1]} parameters of the spectrum can not be told apart in {len(mu)} bins with "
                f"{float(self.bins.content.sum()):g} events. Choose a function of fewer, or widen the sidebands."
            ) from None
        meat = (slopes * (self.bins.scale * mu)[:, None]).T @ slopes
        covariance: FloatArray = inverse @ meat @ inverse
        return covariance

    def maximise(self, start: FloatArray) -> FloatArray:
        """Parameters (k,) at the maximum, by Minuit with the analytic gradient.

        Raises
        ------
        SpectrumError
            If there is none to be found.
        """
        from iminuit import Minuit

        minuit = Minuit(self.value, start, grad=self.gradient)
        minuit.errordef = Minuit.LIKELIHOOD
        minuit.strategy = 0
        minuit.tol = 1e-3
        minuit.migrad(ncall=5000)
        theta = np.asarray(minuit.values)
        # Minuit calls a fit invalid when rounding stops it; where the slope is gone there is nothing left to find.
        if not (minuit.valid or np.all(np.abs(self.gradient(theta)) < _STATIONARY)):
            raise SpectrumError(
                f"No maximum of the likelihood between {self.bins.low[0]:g} and {self.bins.high[-1]:g} GeV with "
                f"{len(theta)} parameters. Raise the lower edge above the turn-on, or choose a smaller function."
            )
        return theta

    @property
    def _typical(self) -> float:
        return float(self.bins.scale.mean())

    def _at_nodes(self, theta: FloatArray) -> FloatArray:
        density: FloatArray = np.exp(np.clip(self.terms @ theta, -700.0, 700.0)) * self.weights
        return density
