"""Local likelihood: a density with no functional form, carried across a blinded window (Loader, Ann. Stat. 24, 1996).

At every mass the logarithm of the density is a polynomial in ln m of low order, fitted to the sideband events within
reach, the near ones counting more. Inside the window all of those lie outside of it, on both sides: interpolation.
A kernel density estimate is the same with order zero, and biased at every edge for that reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import SpectrumError
from analysis.statistics.binning import SPAN, refuse_impossible, without_gaps
from analysis.weights import mean_size, standardised

FloatArray = NDArray[np.floating[Any]]

_BINS_PER_REACH = 60
_POINTS_PER_REACH = 12
_FEWEST = 25.0
_ITERATIONS = 60


@dataclass(frozen=True, eq=False)
class LocalDensity:
    """A density on a grid of masses.

    Attributes
    ----------
    mass : (G,), GeV, even in ln m.
    log_density : (G,), ln of events per GeV in units of `unit`.
    covariance : (G, G), of `log_density`.
    unit : mean size of a weight: so no digit of the shape depends on the unit of the weights.
    """

    mass: FloatArray
    log_density: FloatArray
    covariance: FloatArray
    unit: float = 1.0

    @property
    def low(self) -> float:
        """Lowest mass that the density describes, GeV."""
        return float(self.mass[0])

    @property
    def high(self) -> float:
        """Highest mass that the density describes, GeV."""
        return float(self.mass[-1])

    def density(self, mass: ArrayLike) -> FloatArray:
        """Events per GeV at masses (N,) in GeV; NaN outside of the range that could be described."""
        return self.shape(mass) * self.unit

    def shape(self, mass: ArrayLike) -> FloatArray:
        """The density in units of `unit`, which is the same whatever the unit of the weights."""
        from scipy.interpolate import CubicSpline

        spline = CubicSpline(np.log(self.mass), self.log_density)
        shape: FloatArray = np.exp(spline(np.log(mass), extrapolate=False))
        return shape

    def band(self, mass: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Density one standard deviation down and up, (N,) each."""
        density = self.density(mass)
        error = np.interp(np.log(mass), np.log(self.mass), np.sqrt(np.diag(self.covariance)))
        return density * np.exp(-error), density * np.exp(error)

    def integral(self, low: float, high: float) -> tuple[float, float]:
        """Events expected between two masses in GeV, and the error of that expectation (no Poisson fluctuation)."""
        if not self.low <= low < high <= self.high:
            raise SpectrumError(f"{low:g}–{high:g} GeV is outside of the described {self.low:.6g}–{self.high:.6g} GeV.")
        nodes, weights = np.polynomial.legendre.leggauss(64)
        at = 0.5 * (low + high) + 0.5 * (high - low) * nodes
        part = self.shape(at) * weights * 0.5 * (high - low)
        slope = np.zeros(len(self.mass))
        position = np.interp(np.log(at), np.log(self.mass), np.arange(len(self.mass)))
        left = np.minimum(position.astype(int), len(self.mass) - 2)
        np.add.at(slope, left, part * (left + 1 - position))
        np.add.at(slope, left + 1, part * (position - left))
        return float(part.sum()) * self.unit, float(np.sqrt(slope @ self.covariance @ slope)) * self.unit

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return {name: np.asarray(values).tolist() for name, values in vars(self).items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        arrays = {name: np.asarray(values, dtype=float) for name, values in content.items() if name != "unit"}
        return cls(**arrays, unit=float(content.get("unit", 1.0)))


def local_density(
    mass: FloatArray,
    hole: tuple[float, float],
    *,
    weights: FloatArray | None = None,
    low: float | None = None,
    high: float | None = None,
    reach: float = 1.5,
    degree: int = 3,
    veto: Sequence[tuple[float, float]] = (),
) -> LocalDensity:
    """Local-likelihood density of sideband masses (N,) in GeV on both sides of a hole.

    Parameters
    ----------
    weights : (N,), negative ones allowed; the covariance is that of the sum of squared weights.
    low, high : range, GeV; without it from the first event to where fewer than 25 effective events are within reach.
    reach : how far an event counts, in widths of the hole in ln m; more than 1, so that both sides reach the middle.
    degree : order of the polynomial in ln m.
    veto : rising ranges of mass in GeV that are left out, as are the events in them; one that touches the hole widens
        what the density is carried across, and the reach with it.

    Raises
    ------
    SpectrumError
        If a mass lies inside the hole or is not positive, or too few events beside it to carry the density across.
    """
    _refuse_inside(mass, hole)
    refuse_impossible(mass)
    weights = np.ones(len(mass)) if weights is None else np.asarray(weights, dtype=float)
    size, weights = mean_size(weights), standardised(weights)
    hole = _widened(hole, veto)
    bottom, top = _range(mass, hole, low, high)
    edges = np.log([bottom, *hole, top])
    radius = reach * float(edges[2] - edges[1])
    stretches = [*without_gaps((bottom, hole[0]), veto), *without_gaps((hole[1], top), veto)]
    data = _fine_bins(np.log(mass), weights, np.log(stretches), edges[1:3], radius / _BINS_PER_REACH)
    grid = np.linspace(edges[0], edges[3], int((edges[3] - edges[0]) / radius * _POINTS_PER_REACH) + 2)
    fits = [_fit_at(u, data, radius, degree) for u in grid]
    first, last = np.searchsorted(grid, edges[1:3]) + np.array([-1, 0])
    if any(fit is None for fit in fits[first : last + 1]):
        raise SpectrumError(
            f"Too few events beside {hole[0]:g}–{hole[1]:g} GeV to carry the density across: every mass in it needs "
            f"{_FEWEST:g} effective events within reach on both sides. Widen the sidebands, or raise reach = {reach:g}."
        )
    # As far to both sides as there are enough events without a gap.
    while first > 0 and fits[first - 1] is not None:
        first -= 1
    while last < len(grid) - 1 and fits[last + 1] is not None:
        last += 1
    kept = [fit for fit in fits[first : last + 1] if fit is not None]
    influence = np.stack([fit[1] for fit in kept])
    log_density = np.array([fit[0] for fit in kept]) - grid[first : last + 1]
    covariance = (influence * data.variance) @ influence.T
    return LocalDensity(np.exp(grid[first : last + 1]), log_density, covariance, size)


def _refuse_inside(mass: FloatArray, hole: tuple[float, float]) -> None:
    """Refuse masses of the window itself, which nobody was to look at."""
    inside = (mass >= hole[0]) & (mass < hole[1])
    if inside.any():
        raise SpectrumError(
            f"{int(inside.sum())} of {len(mass)} masses lie inside the blinded window {hole[0]:g}–{hole[1]:g} GeV. "
            "Hand over sideband events only."
        )


def _range(mass: FloatArray, hole: tuple[float, float], low: float | None, high: float | None) -> tuple[float, float]:
    """Where the density is described, which must enclose the hole."""
    bottom = max(float(mass.min()), hole[0] / SPAN) if low is None and len(mass) else low
    top = min(float(mass.max()), hole[1] * SPAN) if high is None and len(mass) else high
    if bottom is None or top is None or not 0 < bottom < hole[0] < hole[1] < top:
        raise SpectrumError(
            f"{len(mass)} masses from {bottom} to {top} GeV do not enclose {hole[0]:g}–{hole[1]:g} GeV."
        )
    return bottom, top


def _widened(hole: tuple[float, float], veto: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The hole with the vetoes that touch it: what the density is carried across."""
    low = next((each[0] for each in veto if each[1] == hole[0]), hole[0])
    high = next((each[1] for each in veto if each[0] == hole[1]), hole[1])
    return low, high


@dataclass(frozen=True, eq=False)
class _Sidebands:
    """Fine bins in u = ln m: centres, widths, contents and variances (B,), and the edges of the hole."""

    centre: FloatArray
    width: FloatArray
    content: FloatArray
    variance: FloatArray
    hole_low: float
    hole_high: float


def _fine_bins(u: FloatArray, weights: FloatArray, stretches: FloatArray, hole: FloatArray, step: float) -> _Sidebands:
    columns: list[tuple[FloatArray, ...]] = []
    for low, high in stretches:
        fine = np.linspace(low, high, max(round((high - low) / step), 1) + 1)
        content = np.histogram(u, fine, weights=weights)[0]
        variance = np.histogram(u, fine, weights=weights**2)[0]
        columns.append((0.5 * (fine[1:] + fine[:-1]), np.diff(fine), content, variance))
    joined = [np.concatenate(pair) for pair in zip(*columns, strict=True)]
    return _Sidebands(joined[0], joined[1], joined[2], joined[3], float(hole[0]), float(hole[1]))


def _fit_at(u: float, data: _Sidebands, radius: float, degree: int) -> tuple[float, FloatArray] | None:
    """Logarithm of the density per unit of ln m at u, and its derivative by each content; None with too few events."""
    distance = (data.centre - u) / radius
    kernel = np.clip(1.0 - np.abs(distance) ** 3, 0.0, None) ** 3
    sides = [data.centre < u, data.centre >= u] if data.hole_low < u < data.hole_high else [np.full(len(kernel), True)]
    for side in sides:
        total, squared = (kernel * data.content)[side].sum(), (kernel**2 * data.variance)[side].sum()
        if total <= 0 or total**2 < _FEWEST * squared:
            return None
    near = kernel > 0
    kernel, powers = kernel[near], distance[near, None] ** np.arange(degree + 1)
    content, width = data.content[near], data.width[near]
    theta = np.zeros(degree + 1)
    theta[0] = np.log((kernel * content).sum() / (kernel * width).sum())
    for _ in range(_ITERATIONS):
        expected = np.exp(powers @ theta) * width
        hessian = (powers * (kernel * expected)[:, None]).T @ powers
        step = np.linalg.solve(hessian, powers.T @ (kernel * (content - expected)))
        largest = float(np.abs(powers @ step).max())
        theta += step * min(1.0, 1.0 / max(largest, 1e-300))
        if largest < 1e-9:
            break
    else:
        return None
    influence = np.zeros(len(data.centre))
    influence[near] = np.linalg.solve(hessian, (powers * kernel[:, None]).T)[0]
    return float(theta[0]), influence
