"""Bins on both sides of a blinded window, wide enough to be fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analysis.errors import SpectrumError

FloatArray = NDArray[np.floating[Any]]

_FEWEST = 5.0
"""Effective events per bin, so that Pearson's χ² follows its distribution."""


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

    def to_dict(self) -> dict[str, list[float]]:
        """All of it as JSON types."""
        return {name: values.tolist() for name, values in vars(self).items()}

    @classmethod
    def from_dict(cls, content: dict[str, list[float]]) -> Self:
        """Inverse of `to_dict`."""
        return cls(**{name: np.asarray(values, dtype=float) for name, values in content.items()})


def sideband_bins(
    mass: FloatArray,
    hole: tuple[float, float],
    low: float,
    high: float,
    *,
    weights: FloatArray | None = None,
    growth: float = 0.02,
) -> Bins:
    """Bins of constant relative width `growth` that start at the edges of the hole and go outwards.

    Neighbours are merged, from the outside in, until each has at least 5 effective events and a positive content.

    Parameters
    ----------
    mass : (N,), GeV; none inside the hole counts.
    hole : edges of the window, GeV.
    low, high : outer edges, GeV.
    weights : (N,), negative ones allowed.
    """
    if not 0 < low < hole[0] < hole[1] < high:
        raise SpectrumError(
            f"A fit from {low:g} to {high:g} GeV does not enclose the window {hole[0]:g}–{hole[1]:g} GeV."
        )
    weights = np.ones(len(mass)) if weights is None else np.asarray(weights, dtype=float)
    below = _merged(mass, weights, _outwards(hole[0], low, growth)[::-1], from_the_left=True)
    above = _merged(mass, weights, _outwards(hole[1], high, growth), from_the_left=False)
    return Bins(*(np.concatenate(pair) for pair in zip(below, above, strict=True)))


def _outwards(start: float, stop: float, growth: float) -> FloatArray:
    """Edges from start to exactly stop in steps of about `growth` in the logarithm."""
    steps = max(round(abs(np.log(stop / start)) / growth), 1)
    edges = np.geomspace(start, stop, steps + 1)
    edges[0], edges[-1] = start, stop
    return edges


def _merged(mass: FloatArray, weights: FloatArray, edges: FloatArray, *, from_the_left: bool) -> tuple[FloatArray, ...]:
    """Low edges, high edges, contents and variances after merging from the outer end."""
    index = np.searchsorted(edges, mass, side="right") - 1
    inside = (index >= 0) & (index < len(edges) - 1)
    content = np.bincount(index[inside], weights=weights[inside], minlength=len(edges) - 1)
    variance = np.bincount(index[inside], weights=weights[inside] ** 2, minlength=len(edges) - 1)
    order = range(len(content)) if from_the_left else range(len(content) - 1, -1, -1)
    groups: list[list[int]] = [[]]
    for i in order:
        groups[-1].append(i)
        total, squared = content[groups[-1]].sum(), variance[groups[-1]].sum()
        if total > 0 and total**2 >= _FEWEST * squared * (1 - 1e-9):
            groups.append([])
    rest = groups.pop()
    if not groups:
        raise SpectrumError(
            f"Fewer than {_FEWEST:g} effective events between {edges[0]:g} and {edges[-1]:g} GeV: no spectrum to fit. "
            "Widen the sideband or merge more data."
        )
    groups[-1] += rest
    groups = groups if from_the_left else groups[::-1]
    first, last = [min(g) for g in groups], [max(g) + 1 for g in groups]
    sums = [np.array([values[g].sum() for g in groups]) for values in (content, variance)]
    return edges[first], edges[last], *sums
