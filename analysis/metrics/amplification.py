"""Statistical amplification: how many true events what a generator draws is worth, beyond those it learned from.

A domain is cut into Q cells of equal probability. Of n true events a share x_j is in cell j, and the mean square of
x_j − 1/Q over the cells is (Q − 1) / (Q² n) in the mean, exactly: the counts are multinomial. A generator whose shares
are off by as much is worth n events, and n over the number that it learned from is the amplification (Butter et al.,
2008.06545). The Jensen–Shannon divergence of the shares says the same (2202.07352), as about (Q − 1) / (8 n ln 2) bits,
and the spread of an ensemble of generators says it without any truth (2509.08048).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import MetricError, TooFewEventsError
from analysis.events import FloatArray


@dataclass(frozen=True)
class Amplification:
    """What generators are worth in true events, from several trainings.

    Attributes
    ----------
    distance : mean over the trainings, less what finite samples add; it may be negative by chance.
    error : standard error of that mean; NaN for a single training.
    n_equivalent : true events with that distance; infinite if it is not positive.
    n_train : events that each generator learned from.
    """

    distance: float
    error: float
    n_equivalent: float
    n_train: int

    @property
    def factor(self) -> float:
        """A = n_equivalent / n_train: above 1 the generator is worth more than what it learned from."""
        return self.n_equivalent / self.n_train

    @property
    def factor_error(self) -> float:
        """Standard error of `factor`, to first order."""
        return self.factor * self.error / self.distance if self.distance > 0 else float("nan")


@dataclass(frozen=True)
class QuantileCells:
    """Cells of equal probability: quantiles of the first column, in each of these quantiles of the second, and so on.

    `edges` holds an array (cells so far, quantiles − 1) for each column.
    """

    edges: tuple[FloatArray, ...]

    @classmethod
    def of(cls, reference: FloatArray, quantiles: tuple[int, ...]) -> QuantileCells:
        """Cells with so many quantiles of each column of a reference (N, F).

        Raises
        ------
        MetricError
            If the columns are not as many as the quantiles, a number of quantiles is below 2, or values are not finite.
        TooFewEventsError
            If there are fewer than ten events for a cell.
        """
        x = _columns(reference)
        if x.shape[1] != len(quantiles) or min(quantiles, default=0) < 2:
            raise MetricError(f"{x.shape[1]} columns and {quantiles} quantiles: every column needs two or more.")
        cells = int(np.prod(quantiles))
        if len(x) < 10 * cells:
            raise TooFewEventsError(f"{len(x)} reference events are too few for {cells} cells; give ten for each.")
        edges, at = [], np.zeros(len(x), dtype=np.int64)
        for column, number in zip(x.T, quantiles, strict=True):
            inner = np.linspace(0, 1, number + 1)[1:-1]
            found = np.stack([np.quantile(column[at == cell], inner) for cell in range(int(at.max()) + 1)])
            edges.append(found)
            at = _finer(at, column, found)
        return cls(tuple(edges))

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return int(np.prod([edges.shape[1] + 1 for edges in self.edges]))

    def shares(self, sample: FloatArray) -> FloatArray:
        """Share of a sample (N, F) in every cell, (Q,)."""
        x = _columns(sample)
        if x.shape[1] != len(self.edges) or not len(x):
            raise MetricError(f"a sample of shape {x.shape} is not in cells of {len(self.edges)} columns.")
        at = np.zeros(len(x), dtype=np.int64)
        for column, edges in zip(x.T, self.edges, strict=True):
            at = _finer(at, column, edges)
        return np.bincount(at, minlength=self.cells) / len(x)


def expected_quantile_mse(events: float, cells: int) -> float:
    """(Q − 1) / (Q² n): the mean of `quantile_mse` for n true events, exactly."""
    return (cells - 1) / (cells**2 * events)


def quantile_mse(shares: FloatArray) -> FloatArray:
    """Mean square of x_j − 1/Q over the cells of shares (…, Q)."""
    x = np.asarray(shares, np.float64)
    out: FloatArray = np.square(x - 1 / x.shape[-1]).mean(axis=-1)
    return out


def expected_divergence(events: float, cells: int) -> float:
    """(Q − 1) / (8 n ln 2) bits: the mean of `jensen_shannon` for n true events, where n is far above Q."""
    return (cells - 1) / (8 * events * float(np.log(2)))


def jensen_shannon(shares: FloatArray) -> FloatArray:
    """Jensen–Shannon divergence of shares (…, Q) from equal ones, in bits: 0 to 1."""
    x = np.asarray(shares, np.float64)
    uniform = np.full_like(x, 1 / x.shape[-1])
    middle = 0.5 * (x + uniform)
    # No share adds nothing: x ln x vanishes there.
    own = np.where(x > 0, x * np.log2(np.where(x > 0, x, 1) / middle), 0)
    out: FloatArray = 0.5 * (own + uniform * np.log2(uniform / middle)).sum(axis=-1)
    return out


def amplification(
    shares: FloatArray, n_train: int, *, drawn: int | None = None, reference: int | None = None
) -> Amplification:
    """By the mean square over quantiles, from shares (K, Q) of K trainings on `n_train` events each.

    `drawn` is how many events of each generator were counted, `reference` how many true ones the cells were made from;
    what their chance adds is taken off. None where the shares are exact. The mean is that of the distance, not of the
    amplification, which has none.

    Raises
    ------
    MetricError
        If shares are not (K, Q) with Q of 2 or more, not finite, or do not add up to one.
    """
    x = _shares(shares)
    chance = sum(expected_quantile_mse(n, x.shape[1]) for n in (drawn, reference) if n is not None)
    return _from_distances(quantile_mse(x) - chance, expected_quantile_mse(1, x.shape[1]), n_train)


def divergence_amplification(
    shares: FloatArray, n_train: int, *, drawn: int | None = None, reference: int | None = None
) -> Amplification:
    """By the Jensen–Shannon divergence, see `amplification`; it needs far more events than cells."""
    x = _shares(shares)
    chance = sum(expected_divergence(n, x.shape[1]) for n in (drawn, reference) if n is not None)
    return _from_distances(jensen_shannon(x) - chance, expected_divergence(1, x.shape[1]), n_train)


def ensemble_size(shares: FloatArray, *, drawn: int | None = None) -> float:
    """True events with shares as uncertain as those of an ensemble (K ≥ 2, Q), without a truth (2509.08048).

    A share x of n events has the variance x (1 − x) / n; that of the members, less the chance of `drawn` events of
    each, is compared with it, summed over the cells. A bias that all members have in common is not seen: this is an
    upper bound. Infinite if the members agree better than chance.
    """
    x = _shares(shares)
    if len(x) < 2:
        raise MetricError("one generator has no spread; an ensemble needs two or more members.")
    mean = x.mean(axis=0)
    binomial = float((mean * (1 - mean)).sum())
    spread = float(x.var(axis=0, ddof=1).sum()) - (0 if drawn is None else binomial / drawn)
    return binomial / spread if spread > 0 else float("inf")


def _from_distances(distances: FloatArray, of_one_event: float, n_train: int) -> Amplification:
    mean = float(distances.mean())
    error = float(distances.std(ddof=1) / np.sqrt(len(distances))) if len(distances) > 1 else float("nan")
    return Amplification(mean, error, of_one_event / mean if mean > 0 else float("inf"), n_train)


def _shares(shares: FloatArray) -> FloatArray:
    x = np.asarray(shares, np.float64)
    if x.ndim != 2 or not len(x) or x.shape[1] < 2:
        raise MetricError(f"shares must be (trainings, cells) with two cells or more; they are {x.shape}.")
    if not np.isfinite(x).all() or np.abs(x.sum(axis=1) - 1).max() > 1e-6:
        raise MetricError("shares of a training must be finite and add up to one; use `QuantileCells.shares`.")
    return x


def _columns(sample: FloatArray) -> FloatArray:
    x = np.asarray(sample, np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or not np.isfinite(x).all():
        raise MetricError(f"a sample must be finite numbers of shape (events, columns); it has shape {x.shape}.")
    return x


def _finer(at: NDArray[np.int64], column: FloatArray, edges: FloatArray) -> NDArray[np.int64]:
    """Cells (N,) after one more column, from those before it and its edges (cells, quantiles − 1)."""
    out: NDArray[np.int64] = at * (edges.shape[1] + 1) + (column[:, None] >= edges[at]).sum(axis=1)
    return out
