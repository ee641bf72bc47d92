"""Bins on both sides of a blinded window, wide enough to be fitted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analysis.errors import SpectrumError

FloatArray = NDArray[np.floating[Any]]

_FEWEST = 5.0
"""Effective events per bin, so that Pearson's χ² follows its distribution."""

SPAN = 1000.0
"""How far below its window, as a ratio of masses, a spectrum is described: what lies beyond says nothing of it."""

Pair = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Bins:
    """Contents of B bins that rise in mass and need not touch each other.

    Attributes
    ----------
    low, high : (B,), edges in GeV; bins are half-open.
    content : (B,), sum of weights.
    variance : (B,), sum of squared weights.
    """

    low: FloatArray
    high: FloatArray
    content: FloatArray
    variance: FloatArray

    def __len__(self) -> int:
        return len(self.low)

    def __getitem__(self, index: slice) -> Self:
        """Some of the bins."""
        return type(self)(self.low[index], self.high[index], self.content[index], self.variance[index])

    @property
    def width(self) -> FloatArray:
        """Widths (B,), GeV."""
        return self.high - self.low

    @property
    def scale(self) -> FloatArray:
        """Variance per content, (B,): the mean weight of an event; one for unweighted bins."""
        return self.variance / self.content

    @property
    def effective(self) -> FloatArray:
        """Effective number of unweighted events, (B,)."""
        return self.content**2 / self.variance

    def scaled(self, factor: float) -> Self:
        """The same events, each with `factor` times its weight."""
        return type(self)(self.low, self.high, self.content * factor, self.variance * factor * factor)

    def to_dict(self) -> dict[str, list[float]]:
        """All of it as JSON types."""
        return {name: values.tolist() for name, values in vars(self).items()}

    @classmethod
    def from_dict(cls, content: dict[str, list[float]]) -> Self:
        """Inverse of `to_dict`."""
        return cls(**{name: np.asarray(values, dtype=float) for name, values in content.items()})


def without_gaps(whole: Pair, gaps: Iterable[Pair]) -> tuple[Pair, ...]:
    """What rising gaps, which do not overlap, leave of a range: rising pairs.

    >>> without_gaps((1.0, 9.0), [(0.0, 2.0), (4.0, 5.0), (8.0, 9.0)])
    ((2.0, 4.0), (5.0, 8.0))
    """
    start, stop = whole
    left = []
    for low, high in gaps:
        if high <= start or low >= stop:
            continue
        if low > start:
            left.append((start, low))
        start = high
    return (*left, (start, stop)) if start < stop else tuple(left)


def refuse_impossible(mass: FloatArray) -> None:
    """Refuse masses (N,) that are not positive.

    Raises
    ------
    SpectrumError
        With their number and the first of them.
    """
    wrong = ~(mass > 0)
    if wrong.any():
        raise SpectrumError(
            f"{int(wrong.sum())} of {len(mass)} masses are not positive; the first is {mass[wrong][0]:g} GeV. Exclude "
            "these events in the selection, or mend the expression of the mass."
        )


def sideband_bins(
    mass: FloatArray,
    hole: Pair,
    low: float,
    high: float,
    *,
    weights: FloatArray | None = None,
    veto: Sequence[Pair] = (),
    sides: str = "both",
    growth: float = 0.02,
) -> Bins:
    """Bins of constant relative width `growth` that start at the edges of the hole and go outwards.

    Neighbours are merged, from the outside in, until each has at least 5 effective events and a positive content.
    Beyond a veto they start anew at its edge; no bin reaches into one. Where so little is left between two vetoes that
    there are not 5 effective events, there is no bin.

    Parameters
    ----------
    mass : (N,), GeV; none inside the hole or a veto counts.
    hole : edges of the window, GeV.
    low, high : outer edges, GeV; `low` at most a factor 1000 below the hole.
    weights : (N,), negative ones allowed.
    veto : rising ranges without bins, GeV.
    sides : "both", or "below" or "above" for bins on that side of the hole alone.
    """
    if not (low > 0 and (low < hole[0] or sides == "above") and (high > hole[1] or sides == "below")):
        raise SpectrumError(
            f"A fit from {low:g} to {high:g} GeV does not enclose the window {hole[0]:g}–{hole[1]:g} GeV."
        )
    if sides != "above" and hole[0] > SPAN * low * (1 + 1e-9):
        raise SpectrumError(
            f"A fit from {low:g} GeV begins more than a factor {SPAN:g} below the window {hole[0]:g}–{hole[1]:g} GeV, "
            "where nothing is to be learned about it. Raise its lower edge."
        )
    weights = np.ones(len(mass)) if weights is None else np.asarray(weights, dtype=float)
    found = []
    if sides != "above":
        edges = [_outwards(end, start, growth)[::-1] for start, end in without_gaps((low, hole[0]), veto)]
        found += _side(mass, weights, edges, low, hole[0], from_the_left=True)
    if sides != "below":
        edges = [_outwards(start, end, growth) for start, end in without_gaps((hole[1], high), veto)]
        found += _side(mass, weights, edges, hole[1], high, from_the_left=False)
    return Bins(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _side(
    mass: FloatArray, weights: FloatArray, edges: list[FloatArray], low: float, high: float, *, from_the_left: bool
) -> list[tuple[FloatArray, ...]]:
    """The merged bins of every stretch of one sideband that has enough events for any."""
    found = [_merged(mass, weights, each, from_the_left=from_the_left) for each in edges]
    kept = [each for each in found if each is not None]
    if not kept:
        raise SpectrumError(
            f"Fewer than {_FEWEST:g} effective events between {low:g} and {high:g} GeV: no spectrum to fit. "
            "Widen the sideband or merge more data."
        )
    return kept


def _outwards(start: float, stop: float, growth: float) -> FloatArray:
    """Edges from start to exactly stop in steps of about `growth` in the logarithm."""
    steps = max(round(abs(np.log(stop / start)) / growth), 1)
    edges = np.geomspace(start, stop, steps + 1)
    edges[0], edges[-1] = start, stop
    return edges


def _merged(
    mass: FloatArray, weights: FloatArray, edges: FloatArray, *, from_the_left: bool
) -> tuple[FloatArray, ...] | None:
    """Low edges, high edges, contents and variances after merging from the outer end; None with too few events."""
    index = np.searchsorted(edges, mass, side="right") - 1
    inside = (index >= 0) & (index < len(edges) - 1)
    content = np.bincount(index[inside], weights=weights[inside], minlength=len(edges) - 1)
    variance = np.bincount(index[inside], weights=weights[inside] ** 2, minlength=len(edges) - 1)
    order = range(len(content)) if from_the_left else range(len(content) - 1, -1, -1)
    groups: list[list[int]] = [[]]
    total = squared = 0.0
    for i in order:
        groups[-1].append(i)
        total, squared = total + content[i], squared + variance[i]
        if total > 0 and total**2 >= _FEWEST * squared * (1 - 1e-9):
            groups.append([])
            total = squared = 0.0
    rest = groups.pop()
    if not groups:
        return None
    groups[-1] += rest
    groups = groups if from_the_left else groups[::-1]
    first, last = [min(g) for g in groups], [max(g) + 1 for g in groups]
    sums = [np.array([values[g].sum() for g in groups]) for values in (content, variance)]
    return edges[first], edges[last], *sums
