"""The figures of `jets.py`: jets of every system over true ones, and quality against cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.features.constituents import relative_mass
from analysis.features.substructure import jet_substructure
from analysis.metrics.sampling import valid_clouds

Clouds = NDArray[np.float32]
BINS = 30
#: Of the truth so much lies beyond an axis on either side.
BEYOND = 1e-3


def _ratios(clouds: Clouds) -> NDArray[np.float64]:
    """τ21 and τ32 of clouds (N, P, 3), (N, 2)."""
    return jet_substructure(np.asarray(clouds, np.float64)[..., [2, 0, 1]])[:, 1:3]


#: Label -> numbers of valid clouds (N, P, 3).
OBSERVED: dict[str, Callable[[Clouds], NDArray[Any]]] = {
    "m / pT of the jet": relative_mass,
    "pT of constituents over that of the jet": lambda x: x[..., 2][x[..., 2] > 0],
    "constituents": lambda x: (x[..., 2] > 0).sum(axis=1),
    "τ21": lambda x: _ratios(x)[:, 0],
    "τ32": lambda x: _ratios(x)[:, 1],
}
#: Key of a row -> label of what a system costs.
COSTS = {"us_a_jet": "CPU µs a jet", "training_s": "CPU s of training", "parameters": "parameters"}


def figures(folder: Path, drawn: dict[str, Clouds], truth: Clouds, rows: dict[str, Any]) -> None:
    """Write `jets.svg` and `cost.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    distributions(drawn, truth).savefig(folder / "jets.svg", bbox_inches="tight")
    cost(rows).savefig(folder / "cost.svg", bbox_inches="tight")


def distributions(drawn: dict[str, Clouds], truth: Clouds) -> Figure:
    """Every observable of all systems and of the truth, with ratios."""
    figure = Figure(figsize=(20, 5))
    axes = figure.subplots(2, len(OBSERVED), height_ratios=(3, 1), sharex="col")
    for (label, of), (top, bottom) in zip(OBSERVED.items(), axes.T, strict=True):
        true = of(truth)
        low, high = np.quantile(true, [BEYOND, 1 - BEYOND])
        whole = label == "constituents"
        # A number that nearly all jets share is shown beside the next ones.
        edges = np.arange(np.floor(low) - 0.5, np.ceil(high) + 1) if whole else np.linspace(low, high, BINS + 1)
        density = np.histogram(true, edges)[0] / len(true)
        top.stairs(density, edges, color="black", label="truth", lw=2)
        for number, (name, clouds) in enumerate(drawn.items()):
            own = of(valid_clouds(clouds)[0])
            share = np.histogram(own, edges)[0] / len(own)
            # Ten colours and then the same, broken.
            line = {"color": f"C{number % 10}", "linestyle": ("-", "--", ":")[number // 10 % 3]}
            top.stairs(share, edges, label=name, **line)
            ratio = np.divide(share, density, out=np.full_like(share, np.nan), where=density > 0)
            bottom.stairs(ratio, edges, **line)
        bottom.axhline(1, color="black", lw=0.5)
        bottom.set(xlabel=label, ylim=(0, 2))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="lower center", ncols=8, bbox_to_anchor=(0.5, -0.12))
    axes[0, 0].set_ylabel("share of jets or constituents")
    axes[1, 0].set_ylabel("over truth")
    return figure


def cost(rows: dict[str, Any]) -> Figure:
    """W1M and FPD over their floors against time and size."""
    figure = Figure(figsize=(12, 6))
    axes = figure.subplots(2, len(COSTS), sharex="col", sharey="row")
    for metric, line in zip(("w1m", "fpd"), axes, strict=True):
        for axis, key in zip(line, COSTS, strict=True):
            for name, row in rows.items():
                where = (_cost(row, key), row[metric]["over_floor"])
                axis.scatter(*where)
                axis.annotate(name, where, fontsize=7)
            axis.set(xscale="log", yscale="log")
            axis.margins(x=0.2, y=0.1)
        line[0].set_ylabel(f"{metric.upper()} over floor")
    for axis, label in zip(axes[1], COSTS.values(), strict=True):
        axis.set_xlabel(label)
    return figure


def _cost(row: dict[str, Any], key: str) -> float:
    """What a system costs; of the time of a jet that in the largest batch."""
    if key != "us_a_jet":
        return float(row[key])
    return float(row[max((name for name in row if name.startswith("us_at_")), key=lambda name: int(name[6:]))])
