"""What a study found: one metric against every hyperparameter that was varied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis.plots.style import DATA, TEMPLATE, StyledFigure, styled

#: Values of a hyperparameter that are written below an axis one by one.
_WRITTEN = 16


@styled
def study(
    settings: Sequence[Mapping[str, Any]], values: Sequence[float], errors: Sequence[float], *, metric: str
) -> Figure:
    """Values (n,) of a metric with errors (n,) against each hyperparameter in the `settings` of n variants.

    Variants whose value is no number are left out. Numbers are an axis, anything else is a list of names by rising
    mean; a bar is the mean of the variants that share a value.
    """
    rows = [(one, value, error) for one, value, error in zip(settings, values, errors, strict=True) if value == value]
    paths = list(dict.fromkeys(path for one, _, _ in rows for path in one))
    figure = StyledFigure(figsize=(max(5.0, 4.2 * len(paths)), 4.2), layout="constrained")
    for number, path in enumerate(paths or [""]):
        axes = figure.add_subplot(1, max(len(paths), 1), number + 1)
        found = [(one[path], value, error) for one, value, error in rows if path in one]
        _panel(axes, found)
        axes.set_xlabel(path)
        if number == 0:
            axes.set_ylabel(metric)
        if found and min(value for _, value, _ in found) > 0:
            axes.set_yscale("log")
    return figure


def _panel(axes: Axes, found: Sequence[tuple[Any, float, float]]) -> None:
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value, _, _ in found)
    names = {_name(value) for value, _, _ in found}
    if numeric and len(names) > _WRITTEN:
        at = [float(value) for value, _, _ in found]
    else:
        means = {
            name: sum(y for v, y, _ in found if _name(v) == name) / sum(_name(v) == name for v, _, _ in found)
            for name in names
        }
        order = sorted(names, key=(float if numeric else means.__getitem__))
        at = [float(order.index(_name(value))) for value, _, _ in found]
        axes.set_xticks(range(len(order)), order, rotation=60 if max(map(len, order), default=0) > 4 else 0)
        axes.xaxis.set_minor_locator(NullLocator())  # nothing lies between two names
        for place, name in enumerate(order):
            axes.plot([place - 0.35, place + 0.35], [means[name]] * 2, color=TEMPLATE)
    bars = [error if math.isfinite(error) else 0.0 for _, _, error in found]
    axes.errorbar(at, [value for _, value, _ in found], bars, fmt="o", color=DATA, markersize=4)


def _name(value: Any) -> str:
    return "–".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value)
