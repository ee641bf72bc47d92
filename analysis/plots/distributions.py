"""Template against data, one feature at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.plots.style import DATA, REFERENCE, TEMPLATE, headroom, stacked, styled

FloatArray = NDArray[np.floating[Any]]


@styled
def template_against_data(
    edges: FloatArray,
    data: FloatArray,
    data_error: FloatArray,
    template: FloatArray,
    template_error: FloatArray,
    *,
    label: str,
    unit: str = "",
    ratio_range: tuple[float, float] = (0.8, 1.2),
    data_label: str = "Data",
    template_label: str = "Template",
    error_label: str = "Statistical error",
    agreement: str = "",
    title: str = "",
    log: bool = False,
) -> Figure:
    """Histogram of a feature in data (points) and template (filled), with their ratio below.

    Parameters
    ----------
    edges : (B + 1,), bin edges in `unit`.
    data, data_error : (B,), contents and errors.
    template, template_error : (B,), scaled to the data by the caller.
    label, unit : of the feature.
    error_label : what `template_error` holds.
    agreement : χ² and p-value, as a text in the panel.
    ratio_range : vertical range of the ratio; points outside of it are marked by arrows at its border.
    """
    figure, (main, below) = stacked(1.0, 0.36)
    centre = 0.5 * (edges[1:] + edges[:-1])
    main.stairs(template, edges, fill=True, color=TEMPLATE, alpha=0.35)
    main.stairs(template, edges, color=TEMPLATE, label=template_label)
    _band(main, edges, template - template_error, template + template_error, label=error_label)
    shown = data > 0 if log else np.isfinite(data)
    main.errorbar(centre[shown], data[shown], data_error[shown], fmt="o", color=DATA, elinewidth=1.0, label=data_label)
    if log:
        main.set_yscale("log")
    else:
        main.set_ylim(bottom=0)
    main.set_ylabel(f"Events / {_width(edges, unit)}")
    main.set_title(title)
    # A row of the legend, wherever the distribution is high.
    headroom(main, 0.15)
    handles, labels = main.get_legend_handles_labels()
    main.legend(handles[::-1], labels[::-1], loc="best", ncols=3, title=agreement, title_fontsize=10.0)

    _ratio(below, edges, (data, data_error), (template, template_error), ratio_range)
    below.set_xlabel(f"{label} [{unit}]" if unit else label)
    figure.align_ylabels()
    return figure


def _ratio(
    axes: Any,
    edges: FloatArray,
    over: tuple[FloatArray, FloatArray],
    under: tuple[FloatArray, FloatArray],
    ratio_range: tuple[float, float],
) -> None:
    """Contents and errors of one histogram over those of another."""
    (data, data_error), (template, template_error) = over, under
    centre = 0.5 * (edges[1:] + edges[:-1])
    filled = template > 0
    ratio = np.divide(data, template, out=np.full(len(data), np.nan), where=filled)
    error = np.divide(data_error, template, out=np.full(len(data), np.nan), where=filled)
    relative = np.divide(template_error, template, out=np.zeros(len(data)), where=filled)
    _band(axes, edges, 1 - relative, 1 + relative)
    axes.axhline(1.0, color=TEMPLATE, linewidth=1.2)
    axes.errorbar(centre, ratio, error, fmt="o", color=DATA, elinewidth=1.0, markersize=3.4)
    low, high = ratio_range
    for outside, at, marker in ((ratio > high, high, "^"), (ratio < low, low, "v")):
        axes.plot(centre[outside], np.full(int(outside.sum()), at), marker, color=DATA, markersize=5, clip_on=False)
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(MaxNLocator(4, prune="upper"))
    axes.set_ylabel("Ratio", loc="center")
    axes.set_xlim(edges[0], edges[-1])


def _width(edges: FloatArray, unit: str) -> str:
    """What all bins are wide, in three digits; bins of several widths are bins."""
    width = np.diff(edges)
    if not np.allclose(width, width[0], rtol=1e-3):
        return "bin"
    return f"{width[0]:.3g} {unit}" if unit else f"{width[0]:.2g}"


def _band(axes: Any, edges: FloatArray, low: FloatArray, high: FloatArray, label: str | None = None) -> None:
    hatched = {"facecolor": "none", "edgecolor": REFERENCE, "hatch": "//////", "linewidth": 0}
    axes.stairs(high, edges, baseline=low, fill=True, label=label, **hatched)
