"""How well a score ranks signal above background: ROC, AUC and significance improvement, all with errors.

Everything takes weights, negative ones included, and treats tied scores as one threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import MetricError, TooFewEventsError
from analysis.weights import unit

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

FLOOR = 25.0
"""Background events that must pass a cut before its significance improvement is quoted: 20 % error on their number."""


@dataclass(frozen=True)
class Measured:
    """A value and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Efficiencies of all cuts `score >= threshold`, from nothing passes (threshold ∞) to everything does.

    Attributes
    ----------
    threshold : (K,), falling; the distinct scores after a first infinity.
    signal_efficiency, background_efficiency : (K,), weighted fractions that pass.
    signal_error, background_error : (K,), their binomial errors with weights.
    background_count : (K,), effective number of background events that pass, (Σw)²/Σw².
    """

    threshold: FloatArray
    signal_efficiency: FloatArray
    background_efficiency: FloatArray
    signal_error: FloatArray
    background_error: FloatArray
    background_count: FloatArray


@dataclass(frozen=True)
class SicPoint:
    """Significance improvement ε_S/√ε_B of one cut, its statistical error, and where it is.

    `above_floor` is False where fewer than the floor's effective background events pass: do not quote it.
    """

    value: float
    error: float
    signal_efficiency: float
    background_efficiency: float
    background_count: float
    above_floor: bool


@dataclass(frozen=True, eq=False)
class SicCurve:
    """Significance improvement of every cut that at least `floor` effective background events pass.

    Attributes
    ----------
    signal_efficiency, background_efficiency, background_count : (K,), as in `RocCurve`, at the cuts above the floor.
    value, error : (K,), ε_S/√ε_B and its statistical error from both efficiencies; errors of neighbours are correlated.
    floor : effective background events.
    roc : the whole curve, below the floor too.
    """

    signal_efficiency: FloatArray
    background_efficiency: FloatArray
    background_count: FloatArray
    value: FloatArray
    error: FloatArray
    floor: float
    roc: RocCurve

    @property
    def max_sic(self) -> SicPoint:
        """The largest value above the floor. A maximum over noise is biased upwards: quote `sic_at(1e-3)` beside it."""
        i = int(np.argmax(self.value))
        return SicPoint(
            float(self.value[i]),
            float(self.error[i]),
            float(self.signal_efficiency[i]),
            float(self.background_efficiency[i]),
            float(self.background_count[i]),
            True,
        )

    def sic_at(self, background_efficiency: float) -> SicPoint:
        """Significance improvement at a background efficiency, interpolated between the neighbouring cuts."""
        if not 0 < background_efficiency <= 1:
            raise MetricError(f"A background efficiency is in (0, 1], not {background_efficiency}.")
        # With negative weights the efficiency is not monotone: its running maximum is the first cut to reach a value.
        axis, first = np.unique(np.maximum.accumulate(self.roc.background_efficiency), return_index=True)
        last = np.append(first[1:] - 1, len(self.roc.background_efficiency) - 1)

        def read(values: FloatArray) -> float:
            return float(np.interp(background_efficiency, axis, values[last]))

        signal, count = read(self.roc.signal_efficiency), read(self.roc.background_count)
        relative = np.hypot(
            _ratio(read(self.roc.signal_error), signal),
            0.5 * read(self.roc.background_error) / background_efficiency,
        )
        value = signal / background_efficiency**0.5
        return SicPoint(value, float(value * relative), signal, background_efficiency, count, count > self.floor)


@dataclass(frozen=True, eq=False)
class SicBand:
    """Median and 16–84 % band of several curves at common signal efficiencies (G,)."""

    signal_efficiency: FloatArray
    median: FloatArray
    low: FloatArray
    high: FloatArray


def roc(scores: FloatArray, truth: BoolArray, weights: FloatArray | None = None) -> RocCurve:
    """Efficiencies for every distinct score.

    Parameters
    ----------
    scores : (N,), larger means more signal-like.
    truth : (N,), True for signal.
    weights : (N,), negative ones allowed.

    Raises
    ------
    MetricError
        If lengths disagree, a score is NaN, or a class is empty or sums to no positive weight.
    """
    scores, truth, weights = _checked(scores, truth, weights)
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(scores) - 1)
    signal = _efficiency(np.where(truth, weights, 0.0)[order], ends)
    background = _efficiency(np.where(truth, 0.0, weights)[order], ends)
    threshold = np.append(np.inf, falling[ends])
    return RocCurve(threshold, signal[0], background[0], signal[1], background[1], background[2])


def auc(scores: FloatArray, truth: BoolArray, weights: FloatArray | None = None) -> Measured:
    """Probability that a signal event outranks a background event, ties counting half, and its standard error.

    The error is that of DeLong, DeLong, Clarke-Pearson (Biometrics 44, 1988), with each event's component weighted by
    its own weight. Where the classes separate perfectly it is zero, which is a property of this estimate and not of
    the truth.
    """
    scores, truth, weights = _checked(scores, truth, weights)
    _, rank = np.unique(scores, return_inverse=True)
    below = _fraction_below(rank, np.where(truth, 0.0, weights))[truth]
    above = 1.0 - _fraction_below(rank, np.where(truth, weights, 0.0))[~truth]
    of_signal, of_background = weights[truth], weights[~truth]
    value = float((of_signal * below).sum() / of_signal.sum())
    variance = _mean_variance(below - value, of_signal) + _mean_variance(above - value, of_background)
    return Measured(value, float(np.sqrt(variance)))


def sic(scores: FloatArray, truth: BoolArray, weights: FloatArray | None = None, *, floor: float = FLOOR) -> SicCurve:
    """Significance improvement ε_S/√ε_B of every cut that more than `floor` effective background events pass.

    Without a floor the largest value sits where the last background event dies, and is noise or infinite.

    Raises
    ------
    TooFewEventsError
        If there is no such cut.
    """
    curve = roc(scores, truth, weights)
    kept = (curve.background_count > floor) & (curve.background_efficiency > 0)
    if not kept.any():
        raise TooFewEventsError(
            f"Significance improvement needs more than {floor:g} effective background events; the test sample has "
            f"{curve.background_count[-1]:.1f}. Evaluate on more background."
        )
    signal, background = curve.signal_efficiency[kept], curve.background_efficiency[kept]
    value = signal / np.sqrt(background)
    error = np.hypot(
        curve.signal_error[kept] / np.sqrt(background), 0.5 * value * curve.background_error[kept] / background
    )
    return SicCurve(signal, background, curve.background_count[kept], value, error, floor, curve)


def median_band(curves: Sequence[SicCurve], signal_efficiency: FloatArray | None = None) -> SicBand:
    """Median and 68 % band of repeated trainings on common signal efficiencies.

    Each curve's 1/ε_B is interpolated first and the significance improvement formed after that (as in 2309.13111): that
    is the smoother function of the two. The axis begins where the last of the curves rises above its floor.
    """
    if not curves:
        raise MetricError("A median needs at least one curve.")
    start = max(float(curve.signal_efficiency.min()) for curve in curves)
    axis = np.linspace(start, 1.0, 201) if signal_efficiency is None else np.asarray(signal_efficiency, dtype=float)
    axis = axis[axis >= start]
    values = np.stack([_on_axis(curve, axis) for curve in curves])
    low, median, high = np.quantile(values, [0.16, 0.5, 0.84], axis=0)
    return SicBand(axis, median, low, high)


def _on_axis(curve: SicCurve, axis: FloatArray) -> FloatArray:
    signal, tightest = np.unique(np.maximum.accumulate(curve.signal_efficiency), return_index=True)
    rejection = np.interp(axis, signal, 1.0 / curve.background_efficiency[tightest])
    values: FloatArray = axis * np.sqrt(rejection)
    return values


def _efficiency(weights: FloatArray, ends: NDArray[np.intp]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fraction of weight up to each end, its binomial error, and the effective count; with a first zero.

    The plain binomial error vanishes when all or none pass; one event added to either side (Agresti, Coull 1998) keeps
    it at 1/n there and changes nothing elsewhere.
    """
    passing = np.append(0.0, np.cumsum(weights)[ends])
    squared = np.append(0.0, np.cumsum(weights**2)[ends])
    total, all_squared = passing[-1], squared[-1]
    efficiency = passing / total
    variance = (squared * (1 - efficiency) ** 2 + (all_squared - squared) * efficiency**2) / total**2
    inside, per_event = np.clip(efficiency, 0.0, 1.0), all_squared / total**2
    shrunk = (inside + per_event) / (1 + 2 * per_event)
    variance += per_event * (shrunk * (1 - shrunk) - inside * (1 - inside))
    count = np.divide(passing**2, squared, out=np.zeros_like(squared), where=squared > 0)
    return efficiency, np.sqrt(variance), np.where(passing > 0, count, 0.0)


def _fraction_below(rank: NDArray[np.intp], weights: FloatArray) -> FloatArray:
    """Weighted fraction of the sample that each rank exceeds, ties counting half, (N,)."""
    at_rank = np.bincount(rank, weights=weights)
    fraction: FloatArray = ((np.cumsum(at_rank) - 0.5 * at_rank) / at_rank.sum())[rank]
    return fraction


def _mean_variance(deviation: FloatArray, weights: FloatArray) -> float:
    n = len(weights)
    spread = float(((weights * deviation) ** 2).sum() / weights.sum() ** 2)
    return spread * n / (n - 1) if n > 1 else spread


def _checked(
    scores: FloatArray, truth: BoolArray, weights: FloatArray | None
) -> tuple[FloatArray, BoolArray, FloatArray]:
    scores, truth = np.asarray(scores, dtype=float), np.asarray(truth, dtype=bool)
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=float)
    if not scores.shape == truth.shape == weights.shape or scores.ndim != 1:
        raise MetricError(
            f"Scores {scores.shape}, truth {truth.shape} and weights {weights.shape} must be equally long."
        )
    bad = int(np.isnan(scores).sum() + (~np.isfinite(weights)).sum())
    if bad:
        raise MetricError(f"{bad} scores or weights are NaN or infinite: evaluate only events that were scored.")
    weights = weights.copy()
    for name, chosen in (("signal", truth), ("background", ~truth)):
        # Only the shares of a class count, and their squares must be numbers.
        weights[chosen] /= unit(weights[chosen])
        if not chosen.any() or weights[chosen].sum() <= 0:
            raise MetricError(
                f"{int(chosen.sum())} {name} events, weights summing to {weights[chosen].sum():g}: nothing to rank."
            )
    return scores, truth, weights


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else 0.0
