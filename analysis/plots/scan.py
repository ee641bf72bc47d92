"""A scan over masses: local p-values of windows, and upper limits with their bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.plots.style import CYCLE, DATA, REFERENCE, headroom, single, styled
from analysis.statistics.p_values import z_to_p

FloatArray = NDArray[np.floating[Any]]
_MARKERS = "osD^vP*X"
#: Colours of what is expected within one and two standard deviations, those of 2107.02270 again.
_BANDS = ("#f2c14e", "#7fbf7b")


@dataclass(frozen=True, eq=False)
class Scanned:
    """Local p-values (M,) of windows (M, 2) in GeV; `claimed` (M,) says which of them are supported by validation."""

    label: str
    windows: FloatArray
    p_value: FloatArray
    claimed: NDArray[np.bool_]


@styled
def p_values_by_mass(scans: Sequence[Scanned], *, title: str = "") -> Figure:
    """Local p-value (y, logarithmic) against mass (x), a bar as wide as the window; hollow where nothing is claimed."""
    figure, axes = single(width=7.4, height=5.0)
    lowest = min(0.05, *(float(np.nanmin(_drawable(each.p_value), initial=0.05)) for each in scans))
    axes.set_ylim(lowest / 10, 1.5)
    axes.set_yscale("log")
    for index, each in enumerate(scans):
        colour = CYCLE[index % len(CYCLE)]
        p_value = _drawable(each.p_value)
        centre, half = each.windows.mean(axis=1), 0.5 * np.ptp(each.windows, axis=1)
        axes.plot(centre, p_value, color=colour, linewidth=1.0, alpha=0.6)
        for claimed in (True, False):
            chosen = (each.claimed == claimed) & np.isfinite(p_value)
            if chosen.any():
                axes.errorbar(
                    centre[chosen],
                    p_value[chosen],
                    xerr=half[chosen],
                    linestyle="",
                    color=colour,
                    marker=_MARKERS[index % len(_MARKERS)],
                    markersize=5.5,
                    markerfacecolor=colour if claimed else "white",
                    elinewidth=0.8,
                )
        axes.plot([], [], color=colour, marker=_MARKERS[index % len(_MARKERS)], label=each.label)
    sigma = 0
    while sigma < 38 and (level := float(z_to_p(sigma))) > lowest / 30:
        axes.axhline(level, color=REFERENCE, linestyle=":", linewidth=1.0, zorder=0.5)
        axes.annotate(f"{sigma} σ", (0.99, level), xycoords=("axes fraction", "data"), ha="right", color=REFERENCE)
        sigma += 1
    headroom(axes, 0.08 + 0.05 * ((len(scans) + 2) // 3))
    axes.set_xlabel("Mass [GeV]")
    axes.set_ylabel("Local p-value")
    axes.set_title(title)
    axes.legend(loc="upper left", ncols=3, fontsize=9)
    return figure


def _drawable(p_value: FloatArray) -> FloatArray:
    """None below what double precision has a logarithm of."""
    return np.maximum(p_value, 1e-300)


@styled
def limits_by_mass(
    centre: FloatArray, observed: FloatArray, expected: FloatArray, *, label: str, title: str = ""
) -> Figure:
    """Observed limits (M,) at masses (M,) above the bands of what is expected without a signal, (M, 5), −2 to 2 σ."""
    figure, axes = single(width=7.4, height=5.0)
    order = np.argsort(centre)
    centre, observed, expected = centre[order], observed[order], expected[order]
    for colour, (low, high), name in zip(_BANDS, ((0, 4), (1, 3)), ("± 2 σ", "± 1 σ"), strict=True):
        axes.fill_between(centre, expected[:, low], expected[:, high], color=colour, linewidth=0, label=name)
    axes.plot(centre, expected[:, 2], color=REFERENCE, linestyle="--", label="Expected")
    axes.plot(centre, observed, color=DATA, marker="o", label="Observed")
    axes.set_ylim(bottom=0)
    headroom(axes, 0.18)
    axes.set_xlabel("Mass [GeV]")
    axes.set_ylabel(label)
    axes.set_title(title)
    axes.legend(loc="upper right", ncols=4, fontsize=9)
    return figure
