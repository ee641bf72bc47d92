"""Counting experiments: p-values, significances, and what a template of finite size does to them.

Every p-value here is local and one-sided: the probability, if there is no signal, of at least as many events as were
seen. None of them knows that the cut was learned: scores from folds that share events make nominal p-values too small
(Hein, Nachman, Shih, 2512.13787), and many windows make a small one likely somewhere. Toys calibrate the first, a
trials factor the second. All functions broadcast over arrays; scalars in, scalar out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from analysis.errors import CountingError

FloatArray = NDArray[np.floating[Any]]

_UNDERFLOW = 1e-290
_SERIES_END = 1e-17


def p_to_z(p: ArrayLike) -> FloatArray:
    """One-sided significance of a p-value; p = 1 gives -inf, p = 0 gives +inf (keep the logarithm: `log_p_to_z`).

    >>> round(float(p_to_z(2.8665157e-7)), 4)
    5.0
    """
    return log_p_to_z(np.log(_in_range("p", p, 0.0, 1.0), where=np.asarray(p) > 0, out=np.full(np.shape(p), -np.inf)))


def log_p_to_z(log_p: ArrayLike) -> FloatArray:
    """Significance from the natural logarithm of p, however small: log p = -5000 is Z = 99.95."""
    return _scalar(-special.ndtri_exp(_in_range("log p", log_p, -np.inf, 0.0)))


def z_to_p(z: ArrayLike) -> FloatArray:
    """Upper tail of the normal distribution beyond z; exact until it leaves double precision near z = 38."""
    return _scalar(special.ndtr(-np.asarray(z, dtype=float)))


def z_to_log_p(z: ArrayLike) -> FloatArray:
    """Natural logarithm of `z_to_p`, for any z."""
    return _scalar(special.log_ndtr(-np.asarray(z, dtype=float)))


def poisson_p_value(n: ArrayLike, background: ArrayLike) -> FloatArray:
    """P(Poisson(background) >= n), the background known exactly."""
    return _scalar(np.exp(poisson_log_p_value(n, background)))


def poisson_log_p_value(n: ArrayLike, background: ArrayLike) -> FloatArray:
    """Natural logarithm of `poisson_p_value`; does not underflow."""
    count, b = np.broadcast_arrays(_not_negative("n", n), _not_negative("background", background))
    p = np.where(count == 0, 1.0, special.gammainc(np.where(count == 0, 1.0, count), b))
    count, b = count.ravel(), b.ravel()

    def tail(i: int) -> float:
        leading = -b[i] + count[i] * np.log(b[i]) - special.gammaln(count[i] + 1)
        return float(leading + np.log(_series(lambda j: b[i] / (count[i] + j))))

    return _log_with_tail(p, b > 0, tail)


def on_off_p_value(n_on: ArrayLike, n_off: ArrayLike, tau: ArrayLike) -> FloatArray:
    """P-value of n_on data events when n_off template events pass the same cut, the template being tau times larger.

    Both counts are Poisson and the rate is unknown: given their sum, n_on is binomial with probability 1/(1 + tau), so

        p = P(Binomial(n_on + n_off, 1/(1 + tau)) >= n_on) = P(NB(n_off + 1, tau/(1 + tau)) >= n_on),

    NB(r, q) counting failures before the r-th success. This is exact (never too small) when the cut was fixed before
    the template was counted. No prior on the rate enters, although the second form is also the posterior predictive
    of a flat one.

    If instead the cut *is* one of the template events, see `order_statistic_p_value`: then the right n_off is the
    number of template events strictly above the cut, one less than those at or above it.

    Parameters
    ----------
    n_on : data events that pass.
    n_off : template events that pass; may be 0.
    tau : template events per expected background event before the cut, N_template / N_data.

    Examples
    --------
    >>> round(float(on_off_p_value(140, 100, 1.0)), 5)
    0.00583
    """
    return _scalar(np.exp(on_off_log_p_value(n_on, n_off, tau)))


def on_off_log_p_value(n_on: ArrayLike, n_off: ArrayLike, tau: ArrayLike) -> FloatArray:
    """Natural logarithm of `on_off_p_value`; does not underflow."""
    on, off, ratio = np.broadcast_arrays(
        _not_negative("n_on", n_on), _not_negative("n_off", n_off), _positive("tau", tau)
    )
    x = 1.0 / (1.0 + ratio)
    p = np.where(on == 0, 1.0, special.betainc(np.where(on == 0, 1.0, on), off + 1.0, x))
    on, off, x = on.ravel(), off.ravel(), x.ravel()

    def tail(i: int) -> float:
        a, b = on[i], off[i] + 1.0
        leading = a * np.log(x[i]) + b * np.log1p(-x[i]) - np.log(a) - special.betaln(a, b)
        return float(leading + np.log(_series(lambda j: x[i] * (a + b + j - 1.0) / (a + j))))

    return _log_with_tail(p, np.ones(on.shape, dtype=bool), tail)


def on_off_deficit_p_value(n_on: ArrayLike, n_off: ArrayLike, tau: ArrayLike) -> FloatArray:
    """Probability of at most n_on data events, the other tail of `on_off_p_value`; both hold n_on itself.

    >>> round(float(on_off_deficit_p_value(139, 100, 1.0) + on_off_p_value(140, 100, 1.0)), 12)
    1.0
    """
    on, off, ratio = np.broadcast_arrays(
        _not_negative("n_on", n_on), _not_negative("n_off", n_off), _positive("tau", tau)
    )
    return _scalar(special.betainc(off + 1.0, on + 1.0, ratio / (1.0 + ratio)))


def order_statistic_p_value(n_on: ArrayLike, rank: ArrayLike, n_data: ArrayLike, n_template: ArrayLike) -> FloatArray:
    """P-value of n_on data scores at or above the rank-th largest of n_template template scores; exact at any size.

    If data and template scores are exchangeable and continuous, only their joint order matters. n_on or more data
    scores lie above the rank-th template score exactly when the first n_on + rank - 1 of all scores hold at least
    n_on data scores, and those are a draw without replacement:

        p = P(Hypergeometric(n_data + n_template, n_data, n_on + rank - 1) >= n_on).

    Equivalently the background efficiency of the cut is Beta(rank, n_template - rank + 1) and n_on beta-binomial,
    also called negative hypergeometric. When both samples are much larger than the counts this becomes
    P(NB(rank, tau/(1 + tau)) >= n_on) with tau = n_template/n_data: `on_off_p_value` with **n_off = rank - 1**, the
    events strictly above the cut. n_off = rank is too large by one event: valid, conservative, and right when the cut
    was not taken from this template. Summed over folds that each cut at their own template event, the ranks add:
    n_off = (sum of ranks) - 1, less one once, not once per fold.

    With ties at the cut the scores are not continuous; count all tied template events and use n_off = that count.

    Examples
    --------
    >>> p = order_statistic_p_value(140, 101, 10_000_000, 10_000_000)
    >>> round(float(p), 5), round(float(on_off_p_value(140, 100, 1.0)), 5)
    (0.00583, 0.00583)
    """
    on, k, n, m = np.broadcast_arrays(
        _not_negative("n_on", n_on),
        _positive("rank", rank),
        _not_negative("n_data", n_data),
        _positive("n_template", n_template),
    )
    if np.any(on > n) or np.any(k > m):
        raise CountingError("More data events pass than there are, or the rank is larger than the template.")
    return _scalar(np.where(on == 0, 1.0, stats.hypergeom.sf(on - 1, n + m, n, on + k - 1)))


def significance_with_uncertainty(n: ArrayLike, background: ArrayLike, sigma: ArrayLike) -> FloatArray:
    """Signed asymptotic significance of n events over background ± sigma, all in events; negative for a deficit.

    The profile likelihood of a Poisson count beside an auxiliary Poisson measurement of the background with relative
    variance (sigma/background)² (Li, Ma 1983; Cousins, Linnemann, Tucker, physics/0702156), written with log1p so
    that sigma → 0 goes over into 2 [n ln(n/b) − (n − b)] without cancellation and n = 0 has its limit.

    Raises
    ------
    CountingError
        If the background is not positive: without template events use `on_off_p_value`, which is exact there.

    Examples
    --------
    >>> round(float(significance_with_uncertainty(140, 100, 10)), 3)
    2.588
    """
    count, b, s = np.broadcast_arrays(
        _not_negative("n", n), _positive("background", background), _not_negative("sigma", sigma)
    )
    excess = count - b
    ratio = s * (s / b)  # variance of the background in units of its Poisson variance
    argument = excess / (b * (1.0 + ratio))
    tiny = ratio < 1e-200
    safe = np.where(tiny, 1.0, ratio)
    profiled = np.where(tiny, excess, b * np.log1p(np.where(tiny, 0.0, safe * argument)) / safe)
    counted = special.xlog1py(count, np.where(count > 0, excess / (b + count * ratio), 0.0))
    squared = 2.0 * (counted - profiled)
    # Where n is all but b the two terms cancel; the first order of the expansion is then exact to 1e-5.
    near = np.abs(excess) < 1e-5 * b
    z = np.where(near, np.abs(excess) / np.sqrt(b + s**2), np.sqrt(np.maximum(squared, 0.0)))
    return _scalar(np.sign(excess) * z)


@dataclass(frozen=True)
class BackgroundEstimate:
    """Expected background after a cut, in events, with the parts of its uncertainty (absolute, in events)."""

    count: float
    statistical: float
    systematic: float

    @property
    def error(self) -> float:
        """Both parts in quadrature."""
        return float(np.hypot(self.statistical, self.systematic))


def template_background(
    n_template_after: float, n_template: float, n_data: float, *, shift: float = 0.0, systematic: float = 0.0
) -> BackgroundEstimate:
    """Background that the template predicts after a cut: efficiency · n_data · (1 + shift) (Hein et al., 2411.00085).

    `shift` is the closure offset δ_sys by which the prediction is corrected, `systematic` its relative uncertainty.
    """
    if n_template <= 0 or n_template_after <= 0 or n_data < 0 or shift <= -1 or systematic < 0:
        raise CountingError(
            f"{n_template_after} of {n_template} template events for {n_data} data events (shift {shift}, systematic "
            f"{systematic}) give no background estimate: loosen the cut or draw a larger template."
        )
    count = n_template_after / n_template * n_data * (1.0 + shift)
    return BackgroundEstimate(count, count / float(np.sqrt(n_template_after)), count * systematic)


@dataclass(frozen=True)
class ClosureShift:
    """Relative difference between counted and predicted background, δ_sys of 2411.00085, and its statistical error."""

    shift: float
    error: float


def closure_shift(n_after: float, predicted: BackgroundEstimate) -> ClosureShift:
    """δ_sys of a signal-free sample: (n_after − predicted)/predicted, error √(1/predicted + template statistics)."""
    b = predicted.count
    return ClosureShift((n_after - b) / b, float(np.sqrt(1.0 / b + (predicted.statistical / b) ** 2)))


def _log_with_tail(p: FloatArray, possible: NDArray[np.bool_], tail: Callable[[int], float]) -> FloatArray:
    """Logarithm of p, by its series where p has left double precision; -inf where it is truly impossible."""
    flat = np.asarray(p, dtype=float).ravel()
    out = np.log(flat, where=flat > 0, out=np.full(flat.shape, -np.inf))
    for i in np.flatnonzero((flat < _UNDERFLOW) & possible):
        out[i] = tail(int(i))
    return _scalar(out.reshape(np.shape(p)))


def _series(ratio: Callable[[NDArray[np.int64]], FloatArray]) -> float:
    """1 + r(1) + r(1) r(2) + …, for ratios that fall below one."""
    total, term, start = 1.0, 1.0, 1
    while term > _SERIES_END * total:
        terms = term * np.cumprod(ratio(np.arange(start, start + 256)))
        total, term, start = total + float(terms.sum()), float(terms[-1]), start + 256
    return total


def _scalar(x: Any) -> FloatArray:
    return np.asarray(x, dtype=float)[()]


def _not_negative(name: str, x: ArrayLike) -> FloatArray:
    return _in_range(name, x, 0.0, np.inf, closed_high=False)


def _positive(name: str, x: ArrayLike) -> FloatArray:
    return _in_range(name, x, 0.0, np.inf, closed_low=False, closed_high=False)


def _in_range(
    name: str, x: ArrayLike, low: float, high: float, *, closed_low: bool = True, closed_high: bool = True
) -> FloatArray:
    values = np.asarray(x, dtype=float)
    above = values >= low if closed_low else values > low
    below = values <= high if closed_high else values < high
    if not np.all(above & below):
        bad = values[~(above & below)].ravel()[0]
        raise CountingError(
            f"{name} = {bad} is not in {'[' if closed_low else '('}{low}, {high}{']' if closed_high else ')'}."
        )
    return values
