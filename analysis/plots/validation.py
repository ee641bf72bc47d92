"""Closure and sculpting: whether the template and the cut can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from analysis.plots.style import (
    DATA,
    REFERENCE,
    TEMPLATE,
    cut_colour,
    headroom,
    shade_window,
    single,
    stacked,
    styled,
)

FloatArray = NDArray[np.floating[Any]]


@styled
def closure(
    regions: Sequence[tuple[float, float]],
    auc: FloatArray,
    error: FloatArray,
    *,
    tolerance: float | None = None,
    window: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """AUC of a classifier between template and data in validation regions of the sidebands; 0.5 is closure.

    Parameters
    ----------
    regions : edges of each validation region, GeV.
    auc, error : (S,), area under the curve and its standard error.
    tolerance : largest acceptable AUC; everything within it of 0.5 is shaded.
    window : the signal window, shaded.
    """
    figure, axes = single(height=3.6)
    if window is not None:
        shade_window(axes, window, "Signal window")
    if tolerance is not None:
        axes.axhspan(1 - tolerance, tolerance, color=TEMPLATE, alpha=0.14, linewidth=0, zorder=0.05, label="Accepted")
    axes.axhline(0.5, color=REFERENCE, linewidth=1.2)
    low, high = np.transpose(regions)
    middle = 0.5 * (low + high)
    axes.errorbar(middle, auc, error, 0.5 * (high - low), fmt="o", color=DATA, markersize=5, label="Validation regions")
    reach = 1.3 * max(float(np.max(np.abs(np.asarray(auc) - 0.5) + error)), abs((tolerance or 0.5) - 0.5), 0.005)
    axes.set_ylim(0.5 - reach, 0.5 + reach)
    headroom(axes, 0.2)
    axes.set_xlabel("Mass [GeV]")
    axes.set_ylabel("AUC, template against data")
    axes.set_title(title)
    axes.legend(loc="upper right", ncols=3)
    return figure


@dataclass(frozen=True, eq=False)
class Shifts:
    """Counted over predicted less one, of one cut in R regions: edges (R, 2) in GeV, values and errors (R,).

    `correction` is what the search makes of them, its mean and its error, both relative.
    """

    label: str
    regions: FloatArray
    values: FloatArray
    errors: FloatArray
    correction: tuple[float, float]


@styled
def region_shifts(cuts: Sequence[Shifts], *, window: tuple[float, float] | None = None, title: str = "") -> Figure:
    """By how much the count above each cut is off in the validation regions, one panel per cut.

    The line and its band are the correction of the window and its systematic error.
    """
    figure, panels = stacked(*[1.0] * len(cuts), height=1.1 + 1.6 * len(cuts))
    for number, (axes, cut) in enumerate(zip(panels, cuts, strict=True)):
        if window is not None:
            shade_window(axes, window, "Signal window" if number == 0 else None)
        colour = cut_colour(number)
        mean, systematic = (100 * part for part in cut.correction)
        label = "Correction and its error" if number == 0 else None
        axes.axhspan(mean - systematic, mean + systematic, color=colour, alpha=0.18, linewidth=0)
        axes.axhline(mean, color=colour, linestyle="--", linewidth=1.2, label=label)
        axes.axhline(0.0, color=REFERENCE, linewidth=1.2)
        middle, half = cut.regions.mean(axis=1), 0.5 * np.diff(cut.regions, axis=1)[:, 0]
        values, errors = 100 * cut.values, 100 * cut.errors
        axes.errorbar(middle, values, errors, half, fmt="o", color=colour, elinewidth=1.1, label=cut.label)
        reach = 1.15 * max(float((np.abs(values) + errors).max()), abs(mean) + systematic)
        axes.set_ylim(-reach, reach)
        headroom(axes, 0.22)
        axes.legend(loc="upper right", ncols=3)
    panels[-1].set_xlabel("Mass [GeV]")
    panels[0].set_ylabel("Counted / predicted − 1 [%]")
    panels[0].set_title(title)
    return figure


@styled
def sculpting(
    edges: Sequence[FloatArray],
    ratios: Sequence[FloatArray],
    errors: Sequence[FloatArray],
    labels: Sequence[str],
    *,
    window: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """Mass spectrum after each cut over efficiency × before, one panel per cut; flat at one without sculpting.

    Parameters
    ----------
    edges : (B + 1,) per cut, GeV.
    ratios, errors : (B,) per cut; B may differ between cuts.
    labels : one per cut, such as its efficiency and p-value.
    window : the signal window, shaded; a signal is a bump there, not sculpting.
    """
    count = len(ratios)
    figure, panels = stacked(*[1.0] * count, height=1.1 + 1.6 * count)
    for i, axes in enumerate(panels):
        if window is not None:
            shade_window(axes, window, "Signal window" if i == 0 else None)
        axes.axhline(1.0, color=REFERENCE, linewidth=1.2)
        low, high = edges[i][:-1], edges[i][1:]
        middle = np.sqrt(low * high)
        colour = cut_colour(i)
        axes.errorbar(
            middle,
            ratios[i],
            errors[i],
            [middle - low, high - middle],
            fmt="o",
            color=colour,
            elinewidth=1.1,
            label=labels[i],
        )
        reach = 1.15 * float(np.max(np.abs(ratios[i] - 1) + errors[i]))
        axes.set_ylim(1 - reach, 1 + reach)
        headroom(axes, 0.22)
        axes.legend(loc="upper right", ncols=2)
    axes = panels[-1]
    axes.set_xscale("log")
    axes.set_xlim(min(float(e[0]) for e in edges), max(float(e[-1]) for e in edges))
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Mass [GeV]")
    panels[0].set_ylabel(r"After cut / ($\varepsilon\times$ before)")
    panels[0].set_title(title)
    return figure
