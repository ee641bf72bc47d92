"""Figures of methods beside each other show what they are given."""

from __future__ import annotations

import numpy as np

from analysis.plots.methods import Points, against_strength, one_number_each


def test_every_method_has_its_points_in_order_and_its_name() -> None:
    x = np.array([0.0, 1.0, 2.0])
    methods = [Points(f"m{i}", x, i + x, np.array([0.1, np.nan, 0.2])) for i in range(3)]
    figure = against_strength(methods, label="y", reference=((1.0, "random"),))
    (axes,) = figure.axes
    drawn = [container.lines[0] for container in axes.containers]
    assert [list(line.get_ydata()) for line in drawn] == [list(each.y) for each in methods]
    assert all(np.all(np.abs(np.asarray(line.get_xdata()) - x) < 0.1) for line in drawn)
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["m0", "m1", "m2"]


def test_methods_at_one_strength_stand_close_together() -> None:
    one = [Points(f"m{i}", np.array([2.2]), np.array([i]), np.array([0.1])) for i in range(8)]
    (axes,) = against_strength(one, label="y").axes
    drawn = [container.lines[0].get_xdata()[0] for container in axes.containers]
    assert np.ptp(drawn) < 0.05 * np.ptp(axes.get_xlim())


def test_one_number_each_is_one_row_each() -> None:
    figure = one_number_each({"one": (1.0, 0.1), "other": (2.0, float("nan"))}, label="x", reference=1.0)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["one", "other"]
