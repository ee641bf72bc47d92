"""The mass spectrum before and after the cuts, with the fit and its pulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.plots.style import CYCLE, DATA, FIT, HEIGHT, REFERENCE, WINDOW, headroom, shade_window, stacked, styled

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Curve:
    """A fitted density with its band, in events per GeV, at masses (K,) in GeV."""

    mass: FloatArray
    density: FloatArray
    low: FloatArray
    high: FloatArray
    label: str = "Fit to the sidebands"


@dataclass(frozen=True, eq=False)
class Layer:
    """A spectrum in the bins of the figure: contents and errors (B,).

    `expected` (B,) is the predicted background, NaN in bins without a prediction.
    """

    label: str
    content: FloatArray
    error: FloatArray
    expected: FloatArray | None = None


@styled
def mass_spectrum(
    edges: FloatArray,
    before: Layer,
    after: Sequence[Layer] = (),
    *,
    window: tuple[float, float],
    veto: Sequence[tuple[float, float]] = (),
    fit: Curve | None = None,
    pull_edges: FloatArray | None = None,
    pulls: FloatArray | None = None,
    title: str = "",
) -> Figure:
    """Spectrum before and after cuts on a logarithmic scale, signal window shaded, pulls of the fit below.

    Parameters
    ----------
    edges : (B + 1,), bins in GeV, of any widths.
    before, after : spectra in these bins, in events.
    window : edges of the signal window, GeV.
    veto : ranges that were left out, GeV, drawn as gaps.
    fit : density beside and across the window.
    pull_edges, pulls : (Q, 2) and (Q,), bins and (data − fit)/error; without them there is no lower panel.
    """
    with_pulls = pulls is not None and pull_edges is not None
    figure, panels = stacked(*((1.0, 0.3) if with_pulls else (1.0,)), height=5.0 if with_pulls else HEIGHT)
    main = panels[0]
    shade_window(main, window, "Signal window")
    for number, (low, high) in enumerate(veto):
        for panel in panels:
            label = "Vetoed" if number == 0 and panel is main else None
            panel.axvspan(low, high, facecolor="none", edgecolor=REFERENCE, hatch="///", linewidth=0, label=label)
    width = np.diff(edges)
    if fit is not None:
        main.fill_between(fit.mass, fit.low, fit.high, color=FIT, alpha=0.3, linewidth=0)
        main.plot(fit.mass, fit.density, color=FIT, label=fit.label)
    _points(main, edges, width, before, DATA, "o")
    # Not the colours of the fit and of the window.
    colours = [c for c in CYCLE if c not in (FIT, WINDOW)]
    for i, layer in enumerate(after):
        colour = colours[i % len(colours)]
        if layer.expected is not None:
            main.plot(0.5 * (edges[1:] + edges[:-1]), layer.expected / width, color=colour, linestyle="--")
        _points(main, edges, width, layer, colour, "sD^v"[i % 4])
    if any(layer.expected is not None for layer in after):
        main.plot([], [], color=REFERENCE, linestyle="--", label="Expected background")
    main.set_yscale("log")
    lowest = min(_lowest(layer, width) for layer in (before, *after))
    main.set_ylim(0.5 * lowest, 2.0 * float((before.content / width).max()))
    headroom(main, 0.27 if veto else 0.22)
    main.set_ylabel("Events / GeV")
    main.set_title(title)
    main.set_xlim(edges[0], edges[-1])
    main.legend(loc="upper right", ncols=1)
    panels[-1].set_xlabel("Mass [GeV]")
    if pulls is not None and pull_edges is not None:
        _pulls(panels[1], pull_edges, pulls, window)
        figure.align_ylabels()
    return figure


def _points(axes: Axes, edges: FloatArray, width: FloatArray, layer: Layer, colour: str, marker: str) -> None:
    shown = layer.content > 0
    density, error = layer.content / width, layer.error / width
    # A lower error bar that reaches zero has no end on a logarithmic axis.
    down = np.minimum(error, 0.999 * density)
    axes.errorbar(
        0.5 * (edges[1:] + edges[:-1])[shown],
        density[shown],
        np.stack([down, error])[:, shown],
        fmt=marker,
        color=colour,
        elinewidth=1.0,
        markersize=3.6,
        label=layer.label,
    )


def _lowest(layer: Layer, width: FloatArray) -> float:
    shown = layer.content > 0
    return float((layer.content / width)[shown].min()) if shown.any() else np.inf


def _pulls(axes: Axes, edges: FloatArray, pulls: FloatArray, window: tuple[float, float]) -> None:
    shade_window(axes, window)
    axes.axhspan(-1, 1, color=FIT, alpha=0.12, linewidth=0)
    axes.axhline(0.0, color=FIT, linewidth=1.2)
    axes.bar(edges[:, 0], pulls, edges[:, 1] - edges[:, 0], align="edge", color=DATA, alpha=0.65, linewidth=0)
    reach = max(3.4, 1.1 * float(np.abs(pulls).max()))
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel(r"(Data − fit) / $\sigma$", loc="center")
