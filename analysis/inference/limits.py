"""Upper limits on the strength of a signal: CLs, by asymptotic formulae and by toys."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from scipy import optimize, stats

from analysis.errors import CountingError

#: Fluctuations of the background, in standard deviations, at which expected limits are quoted.
BANDS = (-2.0, -1.0, 0.0, 1.0, 2.0)

_STRENGTHS = 13


class Model(Protocol):
    """An experiment that compares strengths of a signal."""

    def q_tilde(self, strength: float) -> float:
        """The statistic of a tested strength (1007.1727, eq. 16)."""
        ...

    def asimov(self, strength: float = 0.0) -> Self:
        """The experiment that sees what a strength predicts."""
        ...

    def at_most(self) -> float:
        """A strength that any limit is below."""
        ...


class ToyModel(Model, Protocol):
    """One that can be repeated."""

    def toys(self, strength: float, tested: float, number: int, *, seed: int) -> np.ndarray:
        """The statistic of a tested strength in experiments at a true one, (number,)."""
        ...


@dataclass(frozen=True)
class Confidence:
    """CLs+b, CLb and CLs of a tested strength."""

    signal_and_background: float
    background: float

    @property
    def cls(self) -> float:
        """CLs+b/CLb, which excludes nothing that the experiment has no power against (Read, 2002)."""
        return self.signal_and_background / self.background if self.background > 0 else 1.0


@dataclass(frozen=True)
class UpperLimit:
    """The largest strength that is not excluded, and that of experiments without a signal at the `BANDS`.

    `without_cls` is the observed limit by CLs+b alone. `toys` is their number, 0 for asymptotic formulae; `error` is
    what their number makes of the observed limit.
    """

    confidence_level: float
    observed: float
    expected: tuple[float, ...]
    without_cls: float
    toys: int = 0
    error: float = 0.0


def asymptotic_confidence(model: Model, strength: float) -> Confidence:
    """CLs+b and CLb of a tested strength by the asymptotic formulae of q̃ (1007.1727, eqs. 64–67)."""
    return _asymptotic(model.q_tilde(strength), model.asimov().q_tilde(strength))


def asymptotic_limit(model: Model, *, confidence_level: float = 0.95) -> UpperLimit:
    """The CLs limit by asymptotic formulae; below ten events compare with `toy_limit`.

    Raises
    ------
    CountingError
        If the confidence level is not between 0 and 1.
    """
    alpha = _alpha(confidence_level)
    none = model.asimov()
    top = model.at_most()

    def above(confidence: Callable[[float], float]) -> float:
        return _crossing(lambda strength: confidence(strength) - alpha, top)

    def expected(fluctuation: float) -> float:
        below = stats.norm.cdf(fluctuation)
        return above(lambda strength: stats.norm.cdf(fluctuation - math.sqrt(none.q_tilde(strength))) / below)

    return UpperLimit(
        confidence_level,
        above(lambda strength: _asymptotic(model.q_tilde(strength), none.q_tilde(strength)).cls),
        tuple(expected(fluctuation) for fluctuation in BANDS),
        above(lambda strength: _asymptotic(model.q_tilde(strength), none.q_tilde(strength)).signal_and_background),
    )


def toy_confidence(model: ToyModel, strength: float, *, toys: int, seed: int) -> Confidence:
    """CLs+b and CLb of a tested strength by so many toys of each."""
    with_signal, without = _toys(model, strength, toys, seed)
    seen = model.q_tilde(strength)
    return Confidence(float((with_signal >= seen).mean()), float((without >= seen).mean()))


def toy_limit(model: ToyModel, *, toys: int = 5_000, seed: int, confidence_level: float = 0.95) -> UpperLimit:
    """The CLs limit by toys, on a grid of strengths around the asymptotic one.

    Raises
    ------
    CountingError
        If the confidence level is not between 0 and 1, or there are too few toys to see it.
    """
    alpha = _alpha(confidence_level)
    if toys * alpha < 20:
        raise CountingError(f"{toys} toys do not resolve a confidence level of {confidence_level}; take more.")
    start = asymptotic_limit(model, confidence_level=confidence_level)
    low = 0.3 * min(start.observed, start.expected[0])
    grid = np.geomspace(low, 2.5 * max(start.observed, start.expected[-1]), _STRENGTHS)
    curves: list[list[float]] = [[] for _ in range(len(BANDS) + 2)]
    for number, strength in enumerate(grid):
        with_signal, without = _toys(model, float(strength), toys, seed + number)
        # Larger statistics belong to smaller counts: an upward fluctuation is a small quantile of the statistic.
        at = [model.q_tilde(float(strength)), *np.quantile(without, stats.norm.sf(BANDS), method="lower")]
        found = [Confidence(float((with_signal >= q).mean()), float((without >= q).mean())) for q in at]
        for curve, value in zip(curves, [found[0].signal_and_background, *(each.cls for each in found)], strict=True):
            curve.append(value)
    alone, observed, *bands = (_falling(grid, np.array(curve), alpha) for curve in curves)
    slope = _slope(grid, np.array(curves[1]), alpha)
    error = math.sqrt(alpha * (1 - alpha) / toys) / slope if slope > 0 else math.inf
    return UpperLimit(confidence_level, observed, tuple(bands), alone, toys, error)


def _asymptotic(statistic: float, of_asimov: float) -> Confidence:
    root, asimov = math.sqrt(statistic), math.sqrt(of_asimov)
    if root <= asimov or asimov == 0:
        return Confidence(float(stats.norm.sf(root)), float(stats.norm.sf(root - asimov)))
    mean, half = (statistic + of_asimov) / (2 * asimov), (statistic - of_asimov) / (2 * asimov)
    return Confidence(float(stats.norm.sf(mean)), float(stats.norm.sf(half)))


def _alpha(confidence_level: float) -> float:
    if not 0 < confidence_level < 1:
        raise CountingError(f"A confidence level of {confidence_level} is not between 0 and 1.")
    return 1 - confidence_level


def _crossing(function: Callable[[float], float], top: float) -> float:
    """Where a falling function crosses 0."""
    for _ in range(60):
        if function(top) < 0:
            return float(optimize.brentq(function, 0.0, top, xtol=1e-9 * top, rtol=1e-10))
        top *= 2
    raise CountingError(f"No strength up to {top:g} is excluded: the signal has no effect on what is counted.")


def _toys(model: ToyModel, strength: float, toys: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.random.SeedSequence(seed).generate_state(2)
    return model.toys(strength, strength, toys, seed=int(first)), model.toys(0.0, strength, toys, seed=int(second))


def _falling(grid: np.ndarray, values: np.ndarray, alpha: float) -> float:
    """Where values (G,) that fall but for noise are `alpha`, in between by straight lines of their logarithms."""
    smooth = np.minimum.accumulate(np.maximum(values, 1e-9))
    if smooth[-1] > alpha:
        raise CountingError("The limit is beyond the strengths that were tried; the asymptotic one is far off.")
    place = int(np.argmax(smooth <= alpha))
    if place == 0:
        return float(grid[0])
    part = np.log(smooth[place - 1] / alpha) / np.log(smooth[place - 1] / smooth[place])
    return float(grid[place - 1] * (grid[place] / grid[place - 1]) ** part)


def _slope(grid: np.ndarray, values: np.ndarray, alpha: float) -> float:
    """How fast values (G,) fall where they are `alpha`."""
    place = min(max(int(np.argmax(values <= alpha)), 1), len(grid) - 1)
    return float((values[place - 1] - values[place]) / (grid[place] - grid[place - 1]))
