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

from analysis.plots.style import DATA, FIT, HEIGHT, REFERENCE, cut_colour, headroom, shade_window, stacked, styled

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

    `expected` (B,) is the predicted background, NaN in bins without a prediction, and `relative` its relative error,
    which all bins share.
    """

    label: str
    content: FloatArray
    error: FloatArray
    expected: FloatArray | None = None
    relative: float = 0.0

    def pulls(self) -> tuple[FloatArray, NDArray[np.bool_]]:
        """(Data − expected)/σ, counting and relative error in σ, (B,), and where at least five are expected."""
        assert self.expected is not None
        expected = np.nan_to_num(self.expected)
        shown = expected >= 5
        sigma = np.sqrt(expected + np.square(self.relative * expected))
        return np.divide(self.content - expected, sigma, out=np.zeros(len(expected)), where=shown), shown


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
    mass_label: str = "Mass",
    title: str = "",
) -> Figure:
    """Spectrum before and after cuts on a logarithmic scale, signal window shaded, pulls of the fit and of cuts below.

    Parameters
    ----------
    edges : (B + 1,), bins in GeV, of any widths.
    before, after : spectra in these bins, in events.
    window : edges of the signal window, GeV.
    veto : ranges that were left out, GeV, drawn as gaps.
    fit : density beside and across the window.
    pull_edges, pulls : (Q, 2) and (Q,), bins and (data − fit)/error; without them there is no panel of the fit.
    mass_label : what the mass is, without its unit.
    """
    with_pulls = pulls is not None and pull_edges is not None
    cuts = [(number, layer) for number, layer in enumerate(after) if layer.expected is not None and with_pulls]
    below = (1 + len(cuts)) * with_pulls
    figure, panels = stacked(1.0, *[0.3 if len(cuts) < 2 else 0.24] * below, height=HEIGHT + 0.55 * below)
    main = panels[0]
    shade_window(main, window, "Signal window")
    _hatch(panels, veto)
    width = np.diff(edges)
    if fit is not None:
        _curve(main, fit)
    _points(main, edges, width, before, DATA, "o")
    _after_cuts(main, edges, width, after)
    main.set_yscale("log")
    lowest = min(_lowest(layer, width) for layer in (before, *after))
    main.set_ylim(0.5 * lowest, 2.0 * float((before.content / width).max()))
    headroom(main, 0.34 if veto else 0.3)
    main.set_ylabel("Events / GeV")
    main.set_title(title)
    main.set_xlim(edges[0], edges[-1])
    main.legend(loc="upper right", ncols=2)
    panels[-1].set_xlabel(f"{mass_label} [GeV]")
    if pulls is not None and pull_edges is not None:
        _pulls(panels[1], pull_edges, pulls, window, "Data and fit", line=FIT, bars=DATA)
        for (number, layer), panel in zip(cuts, panels[2:], strict=True):
            pull, shown = layer.pulls()
            pairs = np.stack([edges[:-1], edges[1:]], axis=1)[shown]
            said = layer.label if shown.any() else f"{layer.label}: nowhere five expected"
            _pulls(panel, pairs, pull[shown], window, said, line=cut_colour(number), bars=cut_colour(number))
        figure.align_ylabels()
    return figure


def _hatch(panels: Sequence[Axes], veto: Sequence[tuple[float, float]]) -> None:
    for number, (low, high) in enumerate(veto):
        for panel in panels:
            label = "Vetoed" if number == 0 and panel is panels[0] else None
            panel.axvspan(low, high, facecolor="none", edgecolor=REFERENCE, hatch="///", linewidth=0, label=label)


def _curve(axes: Axes, fit: Curve) -> None:
    if (fit.high > fit.low).any():
        axes.fill_between(fit.mass, fit.low, fit.high, color=FIT, alpha=0.3, linewidth=0, label="Fit, 1 σ")
    axes.plot(fit.mass, fit.density, color=FIT, label=fit.label)


def _after_cuts(axes: Axes, edges: FloatArray, width: FloatArray, after: Sequence[Layer]) -> None:
    for i, layer in enumerate(after):
        if layer.expected is not None:
            _prediction(axes, 0.5 * (edges[1:] + edges[:-1]), layer.expected / width, layer.relative, cut_colour(i))
        _points(axes, edges, width, layer, cut_colour(i), "sD^v"[i % 4])
    if any(layer.expected is not None for layer in after):
        axes.plot([], [], color=REFERENCE, linestyle="--", label="Expected background")
    if any(layer.expected is not None and layer.relative for layer in after):
        axes.fill_between([], [], color=REFERENCE, alpha=0.25, linewidth=0, label="Expected, total error")


def _prediction(axes: Axes, mass: FloatArray, density: FloatArray, relative: float, colour: str) -> None:
    if relative:
        low, high = np.maximum(1 - relative, 0.03) * density, (1 + relative) * density
        axes.fill_between(mass, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(mass, density, color=colour, linestyle="--")


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


def _pulls(
    axes: Axes, edges: FloatArray, pulls: FloatArray, window: tuple[float, float], said: str, *, line: str, bars: str
) -> None:
    shade_window(axes, window)
    axes.axhspan(-1, 1, color=line, alpha=0.12, linewidth=0)
    axes.axhline(0.0, color=line, linewidth=1.2)
    axes.bar(edges[:, 0], pulls, edges[:, 1] - edges[:, 0], align="edge", color=bars, alpha=0.65, linewidth=0)
    reach = max(3.4, 1.1 * float(np.abs(pulls).max(initial=0.0)))
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel("Pull", loc="center")
    axes.text(0.975, 0.88, said, transform=axes.transAxes, ha="right", va="top", fontsize="x-small")
