"""Figures of a scan show what they are given."""

from __future__ import annotations

import numpy as np

from analysis.plots.scan import Scanned, limits_by_mass, p_values_by_mass


def test_every_window_is_a_bar_and_hollow_where_nothing_is_claimed() -> None:
    windows = np.array([[1000.0, 1200.0], [1100.0, 1300.0], [1200.0, 1400.0]])
    p = np.array([0.5, 1e-4, np.nan])
    figure = p_values_by_mass([Scanned("m", windows, p, np.array([True, False, True]))])
    (axes,) = figure.axes
    drawn = [container.lines[0] for container in axes.containers]
    assert [list(line.get_xdata()) for line in drawn] == [[1100.0], [1200.0]]
    assert [list(line.get_ydata()) for line in drawn] == [[0.5], [1e-4]]
    assert drawn[1].get_markerfacecolor() == "white"
    assert axes.get_ylim()[0] < 1e-4
    assert [text.get_text() for text in axes.texts][:4] == ["0 σ", "1 σ", "2 σ", "3 σ"]


def test_a_scan_without_a_value_and_one_beyond_double_precision_are_drawn() -> None:
    windows = np.array([[1000.0, 1200.0]])
    for p in (np.nan, 0.0):
        p_values_by_mass([Scanned("m", windows, np.array([p]), np.array([True]))]).canvas.draw()


def test_limits_are_drawn_in_the_order_of_their_masses() -> None:
    expected = np.arange(10.0).reshape(2, 5)
    figure = limits_by_mass(np.array([2.0, 1.0]), np.array([7.0, 3.0]), expected, label="events")
    (axes,) = figure.axes
    observed = next(line for line in axes.lines if line.get_label() == "Observed")
    assert list(observed.get_ydata()) == [3.0, 7.0]
