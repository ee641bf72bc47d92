"""Which jets a metric looks at: batches, drawn with a seed, and the jets that nothing can be drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import MetricError, TooFewEventsError
from analysis.metrics.sic_and_auc import FloatArray, Measured

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Sampling:
    """Batches of so many jets, drawn from both samples.

    Attributes
    ----------
    jets, batches
        Size and number of the batches.
    replacement
        Whether a jet may be in several batches and several times in one, as jetnet draws; else batches are disjoint.
    whole_truth
        Whether batches of one sample are compared to all of the truth.
    """

    jets: int
    batches: int
    replacement: bool = True
    whole_truth: bool = False

    def at_most(self, n: int) -> Sampling:
        """The same with batches that `n` jets suffice for."""
        return replace(self, jets=min(self.jets, n if self.replacement else n // self.batches))

    def draw(self, n: int, rng: np.random.Generator) -> Iterator[Indices]:
        """Indices (jets,) into n jets for each batch.

        Raises
        ------
        TooFewEventsError
            If there are too few for disjoint batches, or for none at all.
        """
        if n < 1 or self.jets < 1 or (not self.replacement and n < self.jets * self.batches):
            kind = "" if self.replacement else "disjoint "
            raise TooFewEventsError(f"{n} jets are too few for {self.batches} {kind}batches of {self.jets}.")
        if self.replacement:
            return (rng.integers(n, size=self.jets) for _ in range(self.batches))
        return iter(rng.permutation(n)[: self.jets * self.batches].reshape(self.batches, self.jets))

    def pairs(self, n: int, n_truth: int, *, seed: int) -> Iterator[tuple[Indices, Indices]]:
        """Indices into n jets and into `n_truth` true ones for each batch."""
        rng, rng_truth = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
        if self.whole_truth:
            return ((drawn, np.arange(n_truth)) for drawn in self.draw(n, rng))
        return zip(self.draw(n, rng), self.draw(n_truth, rng_truth), strict=True)

    def __str__(self) -> str:
        how = "with replacement" if self.replacement else "disjoint"
        return f"{self.batches} × {self.jets:,} jets, {how}" + (
            ", against all of the truth" if self.whole_truth else ""
        )


@dataclass(frozen=True)
class InvalidJets:
    """Jets that no metric can be computed from, by the first reason that holds."""

    non_finite: int
    negative_pt: int
    empty: int

    @property
    def total(self) -> int:
        """Number of invalid jets."""
        return self.non_finite + self.negative_pt + self.empty


def valid_clouds(clouds: FloatArray) -> tuple[FloatArray, InvalidJets]:
    """The valid ones of clouds (N, P, 3) = (Δη, Δφ, relative pT), and how many of the others there are.

    Invalid are jets with NaN or infinity, with a constituent of negative pT, or without constituents of positive pT.

    Raises
    ------
    MetricError
        If the clouds have another shape.
    """
    x = np.asarray(clouds)
    if x.ndim != 3 or x.shape[2] != 3 or not np.issubdtype(x.dtype, np.floating):
        raise MetricError(
            f"clouds are (N, P, 3) of floating point, Δη, Δφ, relative pT; these are {x.shape} {x.dtype}."
        )
    finite = np.isfinite(x).all(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        positive = finite & ~(x[..., 2] < 0).any(axis=1)
        good = positive & (x[..., 2] > 0).any(axis=1)
    counts = [len(x), *(int(mask.sum()) for mask in (finite, positive, good))]
    return x[good], InvalidJets(*(before - after for before, after in pairwise(counts)))


def over_batches(values: Any) -> Measured:
    """Mean and standard deviation of the values (B,) of batches; the latter is NaN for a single one."""
    values = np.asarray(values, dtype=np.float64)
    return Measured(float(values.mean()), float(values.std()) if len(values) > 1 else float("nan"))
