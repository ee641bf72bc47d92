"""Generated showers against reference ones: histograms with their ratio, profiles and average showers."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.errors import GeometryError
from analysis.metrics.shower_histograms import Comparison
from analysis.plots.style import DATA, TEMPLATE, StyledFigure, headroom, stacked, styled
from analysis.showers.layered import Geometry
from analysis.showers.layers import CartesianLayer, Float, FloatArray, Index, Layer, PolarLayer

#: Corners of a whole ring.
_CORNERS = 60

#: Density that is drawn in the darkest colour, relative to the largest of the layer.
_FAINTEST = 1e-4

#: Half of the range of ratios.
_RATIO = 0.5


@styled
def shower_histogram(comparison: Comparison, *, label: str) -> Figure:
    """One observable of both samples, normalised and on a logarithmic scale, and generated over reference below.

    Bands are Poisson errors; ratios outside of 0.5–1.5 are marked at the border.
    """
    figure, (main, below) = stacked(1.0, 0.36)
    edges, low = _shown(comparison)
    widths = np.diff(np.log10(edges) if comparison.logarithmic else edges)
    reference, reference_error = _density(comparison.reference[low], widths)
    generated, generated_error = _density(comparison.generated[low], widths)
    main.stairs(reference, edges, fill=True, color=DATA, alpha=0.18)
    main.stairs(reference, edges, color=DATA, linewidth=1.1, label="Reference")
    _band(main, edges, reference, reference_error, DATA)
    main.stairs(generated, edges, color=TEMPLATE, label="Generated")
    _band(main, edges, generated, generated_error, TEMPLATE)
    main.set_yscale("log")
    positive = np.concatenate([reference, generated])
    positive = positive[positive > 0]
    if len(positive):
        main.set_ylim(0.5 * positive.min(), 2 * positive.max())
    headroom(main, 0.15)
    main.set_ylabel("Normalised")
    main.legend(loc="upper right", ncols=2)
    main.set_title(f"{comparison.name[:1].upper()}{comparison.name[1:]}: separation power {comparison.separation:.2g}")
    _ratio(below, edges, generated, generated_error, reference, reference_error)
    below.set_xlabel(f"{label} [{comparison.unit}]" if comparison.unit else label)
    if comparison.logarithmic:
        below.set_xscale("log")
    below.set_xlim(edges[0], edges[-1])
    figure.align_ylabels()
    return figure


@styled
def layer_profile(
    layers: Float | Index, generated: FloatArray, reference: FloatArray, *, label: str, names: list[str] | None = None
) -> Figure:
    """Mean of a quantity (N, L) by layer in both samples, with the error of the mean, and their ratio below."""
    figure, (main, below) = stacked(1.0, 0.36)
    means = []
    places = np.asarray(layers, dtype=np.float64)
    for values, name, colour, marker in ((reference, "Reference", DATA, "o"), (generated, "Generated", TEMPLATE, "s")):
        mean = np.mean(values, axis=0)
        error = np.std(values, axis=0) / np.sqrt(max(1, len(values)))
        means.append((mean, error))
        main.errorbar(places, mean, error, fmt=marker, color=colour, label=name, elinewidth=1.0, markersize=4)
    main.set_ylabel(label)
    if all((mean > 0).all() for mean, _ in means) and np.ptp(np.log10(means[0][0])) > 1:
        main.set_yscale("log")
    else:
        main.set_ylim(bottom=0)
    headroom(main, 0.12)
    main.legend(loc="upper right", ncols=2)
    (below_mean, below_error), (mean, error) = means
    ratio = np.divide(mean, below_mean, out=np.full(len(mean), np.nan), where=below_mean > 0)
    spread = np.divide(error, below_mean, out=np.zeros(len(mean)), where=below_mean > 0)
    floor = np.divide(below_error, below_mean, out=np.zeros(len(mean)), where=below_mean > 0)
    below.axhline(1, color=DATA, linewidth=1.0)
    below.errorbar(places, np.ones(len(mean)), floor, fmt="none", ecolor=DATA, alpha=0.35, elinewidth=4)
    below.errorbar(places, ratio, spread, fmt="s", color=TEMPLATE, elinewidth=1.0, markersize=4)
    reach = np.nanmax(np.abs(ratio - 1)) if np.isfinite(ratio).any() else 0.0
    half = float(np.clip(1.3 * reach, 0.02, 1.0))
    below.set_ylim(1 - half, 1 + half)
    below.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], min_n_ticks=3, prune="upper"))
    below.set_ylabel("Ratio", loc="center")
    below.set_xlabel("Layer")
    below.xaxis.set_minor_locator(MaxNLocator(1))
    if names is not None and len(names) <= 12:
        below.set_xticks(places, names)
    else:
        below.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    below.tick_params(axis="x", which="minor", length=0)
    main.tick_params(axis="x", which="minor", length=0)
    figure.align_ylabels()
    return figure


@styled
def average_showers(geometry: Geometry, generated: Float, reference: Float, *, most: int = 5) -> Figure:
    """Mean energy density of voxels (V,), layer by layer as they lie in space: reference above, generated below.

    Each layer is drawn in units of the largest density of its reference, so that faint layers are seen as well.
    Of many layers `most` are drawn, evenly chosen. Rings are drawn to the radius that holds 99 % of the energy.
    """
    count = len(geometry.layers)
    chosen = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    figure = StyledFigure(figsize=(1.9 * len(chosen) + 1.3, 4.1), layout="constrained")
    axes = figure.subplots(2, len(chosen), squeeze=False)
    norm = LogNorm(_FAINTEST, 1)
    for column, place in enumerate(chosen):
        layer = geometry.layers[place]
        part = geometry.slices[place]
        reach = _reach(geometry, place, reference)
        densities = [values[part] / layer.areas() for values in (reference, generated)]
        largest = float(densities[0].max()) or 1.0
        for row, density in enumerate(densities):
            panel = axes[row, column]
            x, y, grid = _mesh(layer, density / largest)
            mesh = panel.pcolormesh(x, y, np.ma.masked_less_equal(grid, 0), norm=norm, cmap="viridis", rasterized=True)
            panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
            panel.tick_params(which="both", labelsize=8, length=2)
            panel.locator_params(nbins=3)
            panel.minorticks_off()
            if row == 0:
                panel.set_title(f"Layer {layer.id}", fontsize=10)
                panel.tick_params(labelbottom=False)
        axes[1, column].set_xlabel("x [mm]", fontsize=9)
    for row, name in enumerate(("Reference", "Generated")):
        axes[row, 0].set_ylabel(f"{name}\ny [mm]", fontsize=9, loc="center")
    figure.colorbar(mesh, ax=axes, label="Density / largest of the layer", pad=0.01)
    return figure


def _shown(comparison: Comparison) -> tuple[Float, slice]:
    """Edges from the first to the last bin with entries, with one bin to spare, and these bins."""
    there = np.flatnonzero(comparison.reference + comparison.generated)
    if not len(there):
        return comparison.edges, slice(None)
    first, last = max(0, there[0] - 1), min(len(comparison.reference), there[-1] + 2)
    return comparison.edges[first : last + 1], slice(int(first), int(last))


def _density(counts: Float, widths: Float) -> tuple[Float, Float]:
    total = counts.sum() or 1.0
    return counts / total / widths, np.sqrt(counts) / total / widths


def _band(axes: Axes, edges: Float, values: Float, error: Float, colour: str) -> None:
    axes.stairs(
        values + error, edges, baseline=np.maximum(values - error, 1e-300), fill=True, color=colour, alpha=0.25, lw=0
    )


def _ratio(
    axes: Axes, edges: Float, generated: Float, generated_error: Float, reference: Float, reference_error: Float
) -> None:
    there = reference > 0
    divided = [
        np.divide(v, reference, out=np.full(len(reference), np.nan), where=there)
        for v in (generated, generated_error, reference_error)
    ]
    ratio, error, floor = divided
    centres = (edges[1:] + edges[:-1]) / 2
    axes.stairs(1 + np.nan_to_num(floor), edges, baseline=1 - np.nan_to_num(floor), fill=True, color=DATA, alpha=0.18)
    axes.axhline(1, color=DATA, linewidth=1.0)
    inside = np.abs(ratio - 1) <= _RATIO
    axes.errorbar(
        centres[inside], ratio[inside], error[inside], fmt="o", color=TEMPLATE, elinewidth=1.0, markersize=3.0
    )
    for outside, at, marker in ((ratio > 1 + _RATIO, 1 + _RATIO, "^"), (ratio < 1 - _RATIO, 1 - _RATIO, "v")):
        axes.plot(
            centres[outside], np.full(int(outside.sum()), at), marker, color=TEMPLATE, markersize=4, clip_on=False
        )
    axes.set_ylim(1 - _RATIO, 1 + _RATIO)
    axes.yaxis.set_major_locator(MaxNLocator(4, prune="upper"))
    axes.set_ylabel("Ratio", loc="center")


def _mesh(layer: Layer, values: Float) -> tuple[Float, Float, Float]:
    """Corners x and y of cells, each (R + 1, C + 1), and values (R, C); arcs are drawn by many cells of one value."""
    grid = values.reshape(layer.shape)
    if isinstance(layer, PolarLayer):
        parts = -(-_CORNERS // layer.angles)
        angles = layer.start + np.linspace(0, 2 * np.pi, parts * layer.angles + 1)
        angle, radius = np.meshgrid(angles, np.array(layer.radii), indexing="ij")
        return radius * np.cos(angle), radius * np.sin(angle), np.repeat(grid, parts, axis=0)
    if not isinstance(layer, CartesianLayer):
        raise GeometryError(f"layer {layer.id} has neither rings nor rectangles, and can not be drawn.")
    x, y = np.meshgrid(np.array(layer.x_edges), np.array(layer.y_edges), indexing="ij")
    return x, y, grid


def _reach(geometry: Geometry, place: int, energies: Float) -> float:
    """Distance from the axis that holds 99 % of the energy of a layer, or its extent."""
    layer, part = geometry.layers[place], geometry.slices[place]
    radii, energy = geometry.radii[part], energies[part]
    order = np.argsort(radii)
    held = np.cumsum(energy[order])
    if held[-1] <= 0:
        return layer.extent
    at = float(radii[order][np.searchsorted(held, 0.99 * held[-1])])
    return min(layer.extent, 1.5 * at)
