"""How well a search ranks signal: ROC and significance improvement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.plots.style import CYCLE, REFERENCE, headroom, single, styled

FloatArray = NDArray[np.floating[Any]]

_FLOOR = "Too little background"


@dataclass(frozen=True, eq=False)
class Line:
    """One curve of a comparison: a label and (K,) values along a common or its own axis, with a band where known."""

    label: str
    x: FloatArray
    y: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None


@styled
def roc_curves(lines: Sequence[Line], *, floor: float | None = None, title: str = "") -> Figure:
    """Background rejection 1/ε_B (y, logarithmic) against signal efficiency (x), beside the line of no knowledge.

    Below the background efficiency `floor` too few background events are left; that part is shaded.
    """
    figure, axes = single()
    grid = np.linspace(0.003, 1, 400)
    axes.plot(grid, 1 / grid, color=REFERENCE, linestyle=":", linewidth=1.2, label="Random")
    for i, line in enumerate(lines):
        _draw(axes, line, i)
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_ylim(1, 2 * max(float(line.y.max()) for line in lines))
    if floor is not None:
        axes.axhspan(1 / floor, axes.get_ylim()[1], color=REFERENCE, alpha=0.15, linewidth=0, label=_FLOOR)
    axes.set_xlabel(r"Signal efficiency $\varepsilon_S$")
    axes.set_ylabel(r"Background rejection $1/\varepsilon_B$")
    axes.set_title(title)
    axes.legend(loc="upper right")
    return figure


@styled
def significance_improvement(
    lines: Sequence[Line], *, marked: Sequence[tuple[float, float]] = (), floor: float | None = None, title: str = ""
) -> Figure:
    """Significance improvement ε_S/√ε_B (y) against background efficiency (x), logarithmic, with error bands.

    Parameters
    ----------
    lines : curves above their floor; the first is the search, further ones (idealised, supervised) are dashed.
    marked : points (ε_B, value) to emphasise, such as the configured cuts.
    floor : background efficiency below which too few background events are left; shaded.
    """
    figure, axes = single()
    axes.axhline(1.0, color=REFERENCE, linestyle=":", linewidth=1.2, label="Random")
    for i, line in enumerate(lines):
        _draw(axes, line, i)
    if marked:
        axes.plot(
            *np.transpose(marked), "o", color=CYCLE[0], markersize=7, markeredgecolor="white", label="Chosen cuts"
        )
    axes.set_xscale("log")
    lowest = min(float(line.x.min()) for line in lines)
    start = 0.5 * (lowest if floor is None else min(floor, lowest))
    axes.set_xlim(start, 1)
    axes.set_ylim(bottom=0)
    if floor is not None:
        axes.axvspan(start, floor, color=REFERENCE, alpha=0.15, linewidth=0, label=_FLOOR)
    headroom(axes, 0.08)
    axes.set_xlabel(r"Background efficiency $\varepsilon_B$")
    axes.set_ylabel(r"Significance improvement $\varepsilon_S$ / √$\varepsilon_B$")
    axes.set_title(title)
    axes.legend(loc="upper right")
    return figure


def _draw(axes: Axes, line: Line, index: int) -> None:
    colour = CYCLE[index % len(CYCLE)]
    if line.low is not None and line.high is not None:
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.22, linewidth=0)
    axes.plot(line.x, line.y, color=colour, linestyle="-" if index == 0 else "--", label=line.label)
