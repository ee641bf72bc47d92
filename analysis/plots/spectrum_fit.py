"""A fitted spectrum: counts, background, the resonance on it, and pulls of both hypotheses."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.inference.spectrum_model import SpectrumModel
from analysis.plots.label import FigureLabel, stamp
from analysis.plots.style import DATA, FIT, REFERENCE, SIGNAL, headroom, stacked, styled

FloatArray = NDArray[np.floating[Any]]


def residuals(counts: FloatArray, expected: FloatArray) -> FloatArray:
    """Signed root of what each bin (B,) adds to −2 ln L: a pull that is right for few events and empty bins too."""
    n, mu = np.asarray(counts, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(n > 0, n * np.log(n / mu), 0.0)
    return np.asarray(np.sign(n - mu) * np.sqrt(2 * np.maximum(mu - n + logs, 0.0)))


@styled
def spectrum_fit(model: SpectrumModel, *, label: FigureLabel | None = None) -> Figure:
    """Counts of a spectrum against background and background with signal, with pulls of either fit below.

    Pulls are `residuals`. `label` is written above; without one the figure says nothing of whose it is.
    """
    best, none = model.best, model.fit(0.0)
    edges, width = model.edges, np.diff(model.edges)
    middle = 0.5 * (edges[1:] + edges[:-1])
    figure, (main, with_signal, alone) = stacked(1.0, 0.28, 0.28, height=6.0)
    filled = model.counts > 0
    error = np.sqrt(model.counts) / width
    density = model.counts / width
    main.errorbar(
        middle[filled],
        density[filled],
        np.stack([np.minimum(error, 0.999 * density), error])[:, filled],
        fmt="o",
        color=DATA,
        elinewidth=1.0,
        label="Data",
    )
    main.stairs(none.expected / width, edges, color=REFERENCE, linestyle="--", label=f"{model.function} alone")
    main.stairs(
        best.expected / width,
        edges,
        color=FIT,
        label=rf"{model.function} and signal, $\mu$ = {best.strength:.2f} $\pm$ {best.error:.2f}",
    )
    main.stairs(np.maximum(best.strength, 0.0) * model.signal / width, edges, color=SIGNAL, label="Signal of the fit")
    main.set_yscale("log")
    main.set_ylim(0.3 * float(density[filled].min()), 2.0 * float(density.max()))
    headroom(main, 0.15)
    main.set_ylabel("Events / GeV")
    main.set_xlim(edges[0], edges[-1])
    main.legend(loc="upper right")
    for axes, fit, colour, name in ((with_signal, best, FIT, "with"), (alone, none, REFERENCE, "without")):
        pulls = residuals(model.counts, fit.expected)
        axes.axhspan(-1, 1, color=colour, alpha=0.15, linewidth=0)
        axes.stairs(pulls, edges, baseline=0.0, fill=True, color=DATA, alpha=0.65)
        reach = max(3.4, 1.1 * float(np.abs(pulls).max()))
        axes.set_ylim(-reach, reach)
        axes.set_ylabel(f"{name}", loc="center")
    alone.set_xlabel("Mass [GeV]")
    figure.align_ylabels()
    if label is not None:
        stamp(figure, label)
    return figure
