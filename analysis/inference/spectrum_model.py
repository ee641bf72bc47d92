"""A resonance on a smoothly falling spectrum: binned likelihood of strength and background function."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import SpectrumError
from analysis.statistics.binning import Bins
from analysis.statistics.dijet_fit import DijetForm, n_parameters
from analysis.statistics.loglinear import nodes

FloatArray = NDArray[np.float64]

#: Steps of Fisher scoring, the distance (in standard deviations) at which it has arrived, and that which rounding may
#: leave.
_STEPS, _ARRIVED, _ROUNDED = 200, 1e-7, 1e-3
#: After so many steps it is tried by Newton's method.
_SLOW = 40


@dataclass(frozen=True, eq=False)
class SpectrumFit:
    """Where the likelihood of a spectrum is largest: strength, its error, θ (k,), contents (B,) and −2 ln L.

    −2 ln L is counted from the model that says every content exactly. Of a fit at a fixed strength the error is 0.
    """

    strength: float
    error: float
    theta: FloatArray
    expected: FloatArray
    deviance: float


@dataclass(frozen=True, eq=False)
class SpectrumModel:
    """Counts of bins against f(m) + µ · signal, f a dijet function, all of them profiled.

    Statistics as in Cowan, Cranmer, Gross & Vitells, 1007.1727. Bins integrate the density and may be empty; the
    resonance may be anywhere in them, so that the window itself is described too.

    Attributes
    ----------
    edges : (B + 1,) rising, GeV.
    counts : (B,) events.
    signal : (B,) events at strength 1.
    function : "f2" to "f5", see `analysis.statistics.dijet_fit`.
    form : the basis of its logarithm; that of the counts unless another one is handed over, as toys are.

    Raises
    ------
    SpectrumError
        If shapes do not fit, counts are negative, nothing is signal, or there are too few filled bins.
    """

    edges: FloatArray
    counts: FloatArray
    signal: FloatArray
    function: str = "f3"
    sqrt_s: float = 13_000.0
    form: DijetForm | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("edges", "counts", "signal"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        bins = len(self.edges) - 1
        if self.counts.shape != (bins,) or self.signal.shape != (bins,) or (np.diff(self.edges) <= 0).any():
            raise SpectrumError(
                f"{bins} rising bins, {self.counts.shape} counts and {self.signal.shape} signal do not belong together."
            )
        if (self.counts < 0).any() or (self.signal < 0).any() or not self.signal.sum() > 0:
            raise SpectrumError("Counts and signal must not be negative, and some signal must be in the bins.")
        filled = int((self.counts > 0).sum())
        if self.form is None and filled < n_parameters(self.function) + 1:
            raise SpectrumError(
                f"{self.function} needs more than {n_parameters(self.function)} filled bins, not {filled}."
            )
        if self.edges[-1] > self.sqrt_s:
            raise SpectrumError(f"The bins end at {self.edges[-1]:g} GeV, beyond √s = {self.sqrt_s:g} GeV.")

    @property
    def parameters(self) -> int:
        """Parameters of the background."""
        return n_parameters(self.function)

    def fit(self, strength: float | None = None) -> SpectrumFit:
        """The largest likelihood, of all strengths or at one.

        Raises
        ------
        SpectrumError
            If there is none to be found.
        """
        free = strength is None
        theta, mu = self._scored(self._start, float(strength or 0.0), free=free)
        expected = self._background(theta) + mu * self.signal
        error = 0.0
        if free:
            information = self._information(theta, expected, free=True)
            error = float(math.sqrt(np.linalg.inv(information)[-1, -1]))
        return SpectrumFit(mu, error, theta, expected, _deviance(self.counts, expected))

    @cached_property
    def best(self) -> SpectrumFit:
        """The fit of all strengths."""
        return self.fit()

    @cached_property
    def largest(self) -> SpectrumFit:
        """The fit of all strengths that are not negative.

        Where the likelihood does not rise with a signal from none on, that of all is not asked: without events where
        the signal is, it runs to negative contents.
        """
        none = self._none
        return self.best if float(self.signal @ (self.counts / none.expected - 1)) > 0 else none

    def discovery(self) -> float:
        """Signed √q₀: the asymptotic local significance, negative for a deficit."""
        statistic = max(self.fit(0.0).deviance - self.best.deviance, 0.0)
        return math.copysign(math.sqrt(statistic), self.best.strength)

    def q_tilde(self, strength: float) -> float:
        """q̃ of a strength."""
        if self.largest.strength >= strength:
            return 0.0
        return max(self.fit(strength).deviance - self.largest.deviance, 0.0)

    def asimov(self, strength: float = 0.0) -> Self:
        """The spectrum that a strength predicts, with the background of the fit at it."""
        return self.seeing(self.fit(strength).expected)

    def seeing(self, counts: ArrayLike) -> Self:
        """The same with other counts (B,), described in the same basis."""
        return replace(self, counts=np.asarray(counts, dtype=np.float64), form=self._form)

    def toys(self, strength: float, tested: float, number: int, *, seed: int) -> FloatArray:
        """q̃ of `tested` in so many spectra at a true strength, see `statistics_of_toys`."""
        return statistics_of_toys(self, self.fit(strength).expected, tested, number, seed=seed)

    def at_most(self) -> float:
        """A strength that any limit is below."""
        none = self._none
        information = self._information(none.theta, none.expected, free=True)
        error = float(math.sqrt(np.linalg.inv(information)[-1, -1]))
        # Without background it is the counts of the signal itself that a limit hangs on.
        upwards = max(float(self.signal @ (self.counts - none.expected)) / float(self.signal @ self.signal), 0.0)
        return upwards + 10 * error + 20 / float(self.signal.sum())

    @cached_property
    def _none(self) -> SpectrumFit:
        return self.fit(0.0)

    @cached_property
    def _form(self) -> DijetForm:
        if self.form is not None:
            return self.form
        bins = Bins(self.edges[:-1], self.edges[1:], self.counts, self.counts)
        return DijetForm.centred(self.function, bins, self.sqrt_s)

    @cached_property
    def _nodes(self) -> tuple[FloatArray, FloatArray]:
        at, weights = nodes(self.edges[:-1], self.edges[1:])
        return np.asarray(self._form.terms(at)), np.asarray(weights)

    @cached_property
    def _start(self) -> FloatArray:
        """θ of a straight line through logarithms, where an empty bin has half an event: nothing explodes there."""
        middle = np.sqrt(self.edges[:-1] * self.edges[1:])
        weight = np.sqrt(self.counts + 0.5)
        density = np.log((self.counts + 0.5) / np.diff(self.edges))
        theta = np.linalg.lstsq(self._form.terms(middle) * weight[:, None], weight * density, rcond=None)[0]
        return np.asarray(theta)

    def _background(self, theta: FloatArray) -> FloatArray:
        terms, weights = self._nodes
        return np.asarray((np.exp(np.clip(terms @ theta, -600.0, 600.0)) * weights).sum(axis=1))

    def _slopes(self, theta: FloatArray, *, free: bool) -> FloatArray:
        """Derivatives (B, k) of the contents, with that of the strength last."""
        terms, weights = self._nodes
        density = np.exp(np.clip(terms @ theta, -600.0, 600.0)) * weights
        slopes = np.einsum("bq,bqk->bk", density, terms)
        return np.column_stack([slopes, self.signal]) if free else slopes

    def _information(self, theta: FloatArray, expected: FloatArray, *, free: bool) -> FloatArray:
        slopes = self._slopes(theta, free=free)
        return np.asarray((slopes / expected[:, None]).T @ slopes)

    def _step(
        self, theta: FloatArray, expected: FloatArray, slopes: FloatArray, pull: FloatArray, *, newton: bool
    ) -> FloatArray:
        """Towards the maximum, by the expected curvature or, where the likelihood is concave, by Newton's method.

        The former rises from anywhere, but where counts are few it arrives slowly.
        """
        scored = np.linalg.lstsq((slopes / expected[:, None]).T @ slopes, pull, rcond=None)[0]
        if not newton:
            return np.asarray(scored)
        terms, weights = self._nodes
        density = np.exp(np.clip(terms @ theta, -600.0, 600.0)) * weights
        off = self.counts / expected - 1
        curvature = (slopes * (self.counts / expected**2)[:, None]).T @ slopes
        size = len(theta)
        curvature[:size, :size] -= np.einsum("bq,bqk,bql->kl", density * off[:, None], terms, terms)
        if np.linalg.eigvalsh(curvature)[0] > 1e-9 * np.trace(curvature):
            return np.asarray(np.linalg.solve(curvature, pull))
        return np.asarray(scored)

    def _scored(self, theta: FloatArray, mu: float, *, free: bool) -> tuple[FloatArray, float]:
        """Fisher scoring with halved steps: the likelihood rises in each."""
        background = self._background(theta)
        if not (background + mu * self.signal > 0).all():
            mu = 0.0
        expected = background + mu * self.signal
        value, left = _deviance(self.counts, expected), math.inf
        for number in range(_STEPS):
            slopes = self._slopes(theta, free=free)
            pull = slopes.T @ (self.counts / expected - 1)
            step = self._step(theta, expected, slopes, pull, newton=number > _SLOW and not free)
            left = float(pull @ step)
            if left < _ARRIVED**2:
                return theta, mu
            for half in range(40):
                part = 0.5**half * step
                trial = theta + part[: len(theta)]
                at = mu + (float(part[-1]) if free else 0.0)
                contents = self._background(trial) + at * self.signal
                if (contents > 0).all() and (better := _deviance(self.counts, contents)) < value:
                    theta, mu, expected, value = trial, at, contents, better
                    break
            else:
                break
        if left < _ROUNDED**2:
            return theta, mu
        raise SpectrumError(
            f"No maximum of the likelihood of {self.function} between {self.edges[0]:g} and {self.edges[-1]:g} GeV. "
            "Raise the lower edge above the turn-on, or choose a smaller function."
        )


class Repeatable(Protocol):
    """A spectrum that can be seen with other counts."""

    def seeing(self, counts: ArrayLike) -> Self:
        """The same with other counts."""
        ...

    def q_tilde(self, strength: float) -> float:
        """q̃ of a strength."""
        ...


def statistics_of_toys(model: Repeatable, expected: FloatArray, tested: float, number: int, *, seed: int) -> FloatArray:
    """q̃ of `tested` in so many Poisson spectra of these contents (B,): (number,), less those without a maximum.

    Raises
    ------
    SpectrumError
        If the likelihood of more than one in a hundred has none.
    """
    rng = np.random.default_rng(seed)
    found: list[float] = []
    lost = 0
    for counts in rng.poisson(expected, (number, len(expected))):
        try:
            found.append(model.seeing(counts).q_tilde(tested))
        except SpectrumError:
            lost += 1
            if lost > number / 100:
                raise
    return np.array(found)


def _deviance(counts: FloatArray, expected: FloatArray) -> float:
    """−2 ln of the likelihood over that of the model that says every content exactly."""
    filled = counts > 0
    logs = counts[filled] * np.log(counts[filled] / expected[filled])
    return 2 * float((expected - counts).sum() + logs.sum())
