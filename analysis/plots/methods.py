"""Methods beside each other: quantities against the strength of the signal, and one number of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.plots.style import CYCLE, REFERENCE, headroom, single, styled

FloatArray = NDArray[np.floating[Any]]
_MARKERS = "osD^vP*X"


@dataclass(frozen=True, eq=False)
class Points:
    """Values (K,) of one method against x (K,), with standard errors where they are known."""

    label: str
    x: FloatArray
    y: FloatArray
    error: FloatArray


def _levels(axes: Axes, reference: Sequence[tuple[float, str]], *, at: float) -> None:
    """Lines at levels (y, label), whose labels end at this share of the width, or begin there on the left."""
    for level, name in reference:
        axes.axhline(level, color=REFERENCE, linestyle=":", linewidth=1.2)
        side = "left" if at < 0.5 else "right"
        axes.annotate(name, (at, level), xycoords=("axes fraction", "data"), ha=side, va="bottom", color=REFERENCE)


@styled
def against_strength(
    methods: Sequence[Points], *, label: str, reference: Sequence[tuple[float, str]] = (), title: str = ""
) -> Figure:
    """A quantity (y) against S/√B in the window (x) by method; `reference` are levels (y, label) to compare with."""
    figure, axes = single(width=7.4, height=5.2)
    _levels(axes, reference, at=0.985)
    width = max((float(np.ptp(each.x)) for each in methods if len(each.x)), default=1.0) or 1.0
    for index, each in enumerate(methods):
        # Side by side, so that bars of equal strength can be told apart.
        shifted = each.x + 0.012 * width * (index - (len(methods) - 1) / 2)
        axes.errorbar(
            shifted,
            each.y,
            np.nan_to_num(each.error),
            color=CYCLE[index % len(CYCLE)],
            marker=_MARKERS[index % len(_MARKERS)],
            linestyle="-" if index < len(CYCLE) else "--",
            markersize=6,
            capsize=2,
            label=each.label,
        )
    # From no signal on: of a single strength, the points side by side would look like several.
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    headroom(axes, 0.1 + 0.05 * ((len(methods) + 2) // 3))
    axes.set_xlabel(r"S / √B in the window, before any cut")
    axes.set_ylabel(label)
    axes.set_title(title)
    axes.legend(loc="upper left", ncols=3, fontsize=9)
    return figure


@styled
def against_cut(
    methods: Sequence[Points],
    *,
    label: str,
    reference: Sequence[tuple[float, str]] = (),
    floor: float | None = None,
    title: str = "",
) -> Figure:
    """A quantity (y) against the background efficiency of cuts (x) by method, errors as bands.

    Tight cuts are to the right; beyond `floor` too little background is left to quote anything.
    """
    figure, axes = single(width=7.4, height=5.2)
    _levels(axes, reference, at=0.015)
    if floor is not None:
        axes.axvline(floor, color=REFERENCE, linestyle="--", linewidth=1.2)
    for index, each in enumerate(methods):
        color, error = CYCLE[index % len(CYCLE)], np.nan_to_num(each.error)
        axes.fill_between(each.x, each.y - error, each.y + error, color=color, alpha=0.2, linewidth=0)
        axes.plot(
            each.x,
            each.y,
            color=color,
            marker=_MARKERS[index % len(_MARKERS)],
            linestyle="-" if index < len(CYCLE) else "--",
            markersize=5,
            label=each.label,
        )
    axes.set_xscale("log")
    axes.invert_xaxis()
    headroom(axes, 0.1 + 0.05 * ((len(methods) + 2) // 3))
    axes.set_xlabel("Background efficiency of the cut")
    axes.set_ylabel(label)
    axes.set_title(title)
    axes.legend(loc="upper left", ncols=3, fontsize=9)
    return figure


@styled
def one_number_each(
    values: Mapping[str, tuple[float, float]], *, label: str, reference: float | None = None, title: str = ""
) -> Figure:
    """One number with its error of every method, one below the other; `reference` is what would be perfect."""
    figure, axes = single(width=7.4, height=1.3 + 0.42 * len(values))
    if reference is not None:
        axes.axvline(reference, color=REFERENCE, linestyle=":", linewidth=1.2)
    for index, (value, error) in enumerate(values.values()):
        axes.errorbar(value, index, xerr=np.nan_to_num(error), fmt="o", color=CYCLE[index % len(CYCLE)], capsize=2)
    axes.set_yticks(range(len(values)), list(values))
    axes.tick_params(axis="y", which="minor", left=False, right=False)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlabel(label)
    axes.set_title(title)
    return figure
