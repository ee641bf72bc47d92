"""Shapes of a resonance in the mass, between masses that were simulated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import interpolate, stats

from analysis.errors import SpectrumError

FloatArray = NDArray[np.float64]


class SignalShape(Protocol):
    """A normalised density of the mass."""

    def cdf(self, mass: ArrayLike) -> FloatArray:
        """Share (N,) below masses (N,) in GeV."""
        ...


def in_bins(shape: SignalShape, edges: ArrayLike) -> FloatArray:
    """Share (B,) of a shape in bins with B + 1 rising edges, GeV."""
    return np.diff(shape.cdf(np.asarray(edges, dtype=np.float64)))


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution; mean and width in GeV."""

    mean: float
    width: float

    def __post_init__(self) -> None:
        if not (self.width > 0 and math.isfinite(self.mean)):
            raise SpectrumError(f"A resonance at {self.mean:g} GeV of width {self.width:g} GeV is none.")

    def cdf(self, mass: ArrayLike) -> FloatArray:
        """Share (N,) below masses (N,) in GeV."""
        return np.asarray(stats.norm.cdf(mass, self.mean, self.width))


@dataclass(frozen=True)
class DoubleCrystalBall:
    """A Gaussian core with a power law on both sides (Gaiser 1982; both tails as in ATLAS and CMS dijet searches).

    The tails begin `low_start` and `high_start` widths from the mean and fall with powers `low_power`, `high_power`.
    """

    mean: float
    width: float
    low_start: float = 1.5
    low_power: float = 3.0
    high_start: float = 1.5
    high_power: float = 3.0

    def __post_init__(self) -> None:
        powers, rest = (self.low_power, self.high_power), (self.width, self.low_start, self.high_start)
        if not (min(powers) > 1 and min(rest) > 0 and math.isfinite(self.mean)):
            raise SpectrumError(
                f"A double Crystal Ball with {self}: widths and starts must be positive, powers above 1."
            )

    def cdf(self, mass: ArrayLike) -> FloatArray:
        """Share (N,) below masses (N,) in GeV."""
        t = (np.asarray(mass, dtype=np.float64) - self.mean) / self.width
        low, core, high = self._areas
        total = low + core + high
        below = low * _tail(-t, self.low_start, self.low_power)
        middle = low + math.sqrt(2 * math.pi) * (stats.norm.cdf(t) - stats.norm.cdf(-self.low_start))
        above = total - high * _tail(t, self.high_start, self.high_power)
        return np.asarray(np.where(t < -self.low_start, below, np.where(t > self.high_start, above, middle)) / total)

    @property
    def _areas(self) -> tuple[float, float, float]:
        """Of the low tail, the core and the high tail, in units of the width with a core of height 1."""
        core = math.sqrt(2 * math.pi) * float(stats.norm.cdf(self.high_start) - stats.norm.cdf(-self.low_start))
        return _area(self.low_start, self.low_power), core, _area(self.high_start, self.high_power)

    @classmethod
    def fitted(cls, mass: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """The shape of simulated masses (N,) in GeV, by maximum likelihood; weights (N,) must not be negative.

        Raises
        ------
        SpectrumError
            If there are fewer than 50 masses, or no maximum is found.
        """
        from iminuit import Minuit

        m = np.asarray(mass, dtype=np.float64)
        w = np.ones(len(m)) if weights is None else np.asarray(weights, dtype=np.float64)
        if len(m) < 50 or not (w >= 0).all():
            raise SpectrumError(f"{len(m)} simulated masses, or negative weights, are too little to fit a shape to.")
        order = np.argsort(m)
        share = np.cumsum(w[order]) / w.sum()
        low, middle, high = np.interp([0.16, 0.5, 0.84], share, m[order])

        def loss(*parameters: float) -> float:
            mean, log_width, *rest = parameters
            return -float(np.sum(w * cls(mean, math.exp(log_width), *rest)._log_density(m)))

        width = max(0.5 * (high - low), 1e-9)
        minuit = Minuit(loss, middle, math.log(width), 1.5, 4.0, 1.5, 4.0)
        minuit.errordef = Minuit.LIKELIHOOD
        minuit.limits = [None, None, (0.2, 6), (1.05, 60), (0.2, 6), (1.05, 60)]
        minuit.errors = [0.1 * width, 0.1, 0.2, 0.5, 0.2, 0.5]
        minuit.migrad(ncall=5_000)
        mean, log_width, *rest = minuit.values
        if not math.isfinite(minuit.fval):
            raise SpectrumError("No shape of a resonance describes the simulated masses.")
        return cls(mean, math.exp(log_width), *rest)

    def _log_density(self, mass: FloatArray) -> FloatArray:
        """Logarithm of the density (N,) per GeV."""
        t = (mass - self.mean) / self.width
        norm = math.log(sum(self._areas) * self.width)
        low = _log_tail(-t, self.low_start, self.low_power)
        high = _log_tail(t, self.high_start, self.high_power)
        core = -0.5 * t**2
        return np.asarray(np.where(t < -self.low_start, low, np.where(t > self.high_start, high, core)) - norm)


@dataclass(frozen=True, eq=False)
class InterpolatedShape:
    """Double Crystal Balls between simulated masses: every parameter follows the mass by a monotone cubic."""

    masses: tuple[float, ...]
    shapes: tuple[DoubleCrystalBall, ...]

    @classmethod
    def through(cls, shapes: Mapping[float, DoubleCrystalBall]) -> Self:
        """The interpolation through shapes by their mass in GeV, at least two.

        Raises
        ------
        SpectrumError
            If there are fewer.
        """
        if len(shapes) < 2:
            raise SpectrumError(
                f"{len(shapes)} simulated masses do not say what is between them; at least 2 are needed."
            )
        ordered = sorted(shapes)
        return cls(tuple(ordered), tuple(shapes[mass] for mass in ordered))

    def at(self, mass: float) -> DoubleCrystalBall:
        """The shape at a mass in GeV.

        Raises
        ------
        SpectrumError
            Outside of the simulated masses.
        """
        if not self.masses[0] <= mass <= self.masses[-1]:
            raise SpectrumError(
                f"A resonance of {mass:g} GeV is outside of the simulated {self.masses[0]:g}–{self.masses[-1]:g} GeV."
            )
        return DoubleCrystalBall(*(float(curve(mass)) for curve in self._curves()))

    def _curves(self) -> Sequence[interpolate.PchipInterpolator]:
        columns = zip(*(astuple(shape) for shape in self.shapes), strict=True)
        return [interpolate.PchipInterpolator(self.masses, column) for column in columns]


def _log_tail(t: FloatArray, start: float, power: float) -> FloatArray:
    """Logarithm of a tail that leaves a Gaussian of height 1 at `start` with its value and slope."""
    # Only what lies beyond the start is taken of it.
    beyond = np.maximum(t, start)
    return np.asarray(-0.5 * start**2 - power * np.log1p(start / power * (beyond - start)))


def _area(start: float, power: float) -> float:
    return math.exp(-0.5 * start**2) * power / (start * (power - 1))


def _tail(t: FloatArray, start: float, power: float) -> FloatArray:
    """Share of a tail that lies beyond t."""
    beyond = np.maximum(t, start)
    return np.asarray((1 + start / power * (beyond - start)) ** (1 - power))
