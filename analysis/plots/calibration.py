"""What significances are worth: their distribution without a signal, and claims in windows that hold none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy import stats

from analysis.plots.style import CYCLE, DATA, FIT, REFERENCE, TEMPLATE, StyledFigure, headroom, single, styled

FloatArray = NDArray[np.floating[Any]]

_MARKERS = ("o", "s", "D", "^", "v", "P")


@styled
def null_distribution(significances: FloatArray, *, observed: float | None = None, title: str = "") -> Figure:
    """Significances (n,) of background-only experiments, beside N(0, 1) and the normal with their mean and width.

    `observed` is the significance of the data.
    """
    figure, axes = single(height=3.6)
    _null(axes, np.asarray(significances), TEMPLATE, "Without a signal")
    mean, width = float(np.mean(significances)), float(np.std(significances, ddof=1))
    grid = _grid(axes)
    label = f"Normal, mean {mean:.2f}, width {width:.2f}"
    axes.plot(grid, stats.norm.pdf(grid, mean, width), color=TEMPLATE, linewidth=1.4, label=label)
    axes.plot(grid, stats.norm.pdf(grid), color=REFERENCE, linestyle="--", linewidth=1.2, label="N(0, 1)")
    if observed is not None:
        axes.axvline(observed, color=FIT, linewidth=1.6, label="Data")
    _finish(axes, title)
    axes.set_xlabel("Significance [σ]")
    return figure


@styled
def before_and_after(
    significances: Mapping[str, FloatArray], p_values: Mapping[str, FloatArray], *, title: str = ""
) -> Figure:
    """Significances of background-only experiments beside N(0, 1), and distribution functions of their p-values.

    Both by label, in the order of drawing; the band is where 95 % of the functions of so many uniform numbers stay at
    every p.
    """
    figure = StyledFigure(figsize=(10.5, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for index, (label, values) in enumerate(significances.items()):
        _null(left, np.asarray(values), CYCLE[index % len(CYCLE)], label)
    grid = _grid(left)
    left.plot(grid, stats.norm.pdf(grid), color=REFERENCE, linestyle="--", linewidth=1.2, label="N(0, 1)")
    _finish(left, title)
    left.set_xlabel("Significance [σ]")
    p = np.linspace(0, 1, 401)
    for index, (label, values) in enumerate(p_values.items()):
        ordered = np.sort(np.asarray(values))
        if index == 0:
            band = 1.96 * np.sqrt(p * (1 - p) / len(ordered))
            right.fill_between(p, p - band, p + band, color=REFERENCE, alpha=0.18, linewidth=0, label="Uniform, 95 %")
        right.step(ordered, np.arange(1, len(ordered) + 1) / len(ordered), where="post", label=label)
    right.set_xlim(0, 1)
    right.set_ylim(0, 1)
    right.set_xlabel("p-value without a signal")
    right.set_ylabel("Experiments with at most this p")
    right.legend(loc="lower right", fontsize=9)
    return figure


@styled
def claims_without_signal(
    windows: Sequence[tuple[float, float]],
    claims: Mapping[str, FloatArray],
    *,
    claimed: Sequence[bool] | None = None,
    chosen: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """Significances (W,) that methods claim in W windows without a signal; every row of the figure is a window.

    The last of `claims`, by label, is ours, hollow in windows that are not `claimed` (W,). Within the bands of one and
    two σ lies what chance gives; `chosen` is the window of the search itself, which was left out.
    """
    figure, axes = single(width=7.6, height=1.5 + 0.55 * len(windows))
    for reach, alpha in ((2, 0.12), (1, 0.2)):
        axes.axvspan(-reach, reach, color=REFERENCE, alpha=alpha, linewidth=0)
    axes.axvline(0, color=REFERENCE, linewidth=1.0)
    handles = []
    for index, (label, values) in enumerate(claims.items()):
        ours = index == len(claims) - 1
        colour, marker = (DATA, "o") if ours else (CYCLE[index % len(CYCLE)], _MARKERS[1 + index % 5])
        offset = 0.0 if ours else 0.11 * (index + 1 - len(claims) / 2)
        place = np.arange(len(windows)) + offset
        everywhere = np.ones(len(windows), bool)
        full = np.asarray(claimed, bool) | np.isnan(values) if ours and claimed is not None else everywhere
        size = 8.0 if ours else 5.5
        for drawn, fill in ((full, colour), (~full, "none")):
            if drawn.any():
                axes.plot(values[drawn], place[drawn], marker, color=colour, markersize=size, markerfacecolor=fill)
        handles.append(Line2D([], [], linestyle="", marker=marker, color=colour, label=label))
        if not full.all():
            hollow = f"{label}, not claimed"
            handles.append(
                Line2D([], [], linestyle="", marker=marker, color=colour, markerfacecolor="none", label=hollow)
            )
    axes.set_yticks(range(len(windows)), [f"{low:g}–{high:g}" for low, high in windows])
    axes.tick_params(axis="y", which="minor", left=False, right=False)
    axes.set_ylim(len(windows) - 0.4, -0.6 - 0.25 * len(claims))
    axes.set_ylabel("Window [GeV]")
    axes.set_xlabel("Claimed significance [σ]")
    said = "" if chosen is None else f"Without a signal; {chosen[0]:g}–{chosen[1]:g} GeV is not looked at"
    axes.set_title(title or said)
    axes.legend(handles=handles, loc="upper right", ncols=2)
    return figure


def _null(axes: Axes, values: FloatArray, colour: str, label: str) -> None:
    edges = np.arange(np.floor(min(-3.5, values.min()) * 2) / 2, max(3.5, values.max()) + 0.5, 0.5)
    content, _ = np.histogram(values, edges)
    scale = 1 / (len(values) * np.diff(edges))
    middle = 0.5 * (edges[1:] + edges[:-1])
    axes.stairs(content * scale, edges, color=colour, fill=True, alpha=0.18)
    axes.stairs(content * scale, edges, color=colour)
    axes.errorbar(middle, content * scale, np.sqrt(content) * scale, fmt="o", color=colour, markersize=3, label=label)


def _grid(axes: Axes) -> FloatArray:
    return np.linspace(*axes.get_xlim(), 400)


def _finish(axes: Axes, title: str) -> None:
    axes.set_ylim(bottom=0)
    headroom(axes, 0.3)
    axes.set_ylabel("Experiments, normalised")
    axes.set_title(title)
    axes.legend(loc="upper left", ncols=2)
