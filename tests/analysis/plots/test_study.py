"""The picture of a study: a panel for every hyperparameter, a place for every value, nothing for what failed."""

from __future__ import annotations

import math

from analysis.plots.study import study


def test_names_are_ordered_by_their_mean_and_numbers_by_size() -> None:
    settings = [{"branches": [2, 3], "rate": 0.1}, {"branches": [3, 2], "rate": 0.01}, {"branches": [6], "rate": 0.1}]
    figure = study(settings, [3.0, 1.0, math.nan], [0.1, math.nan, math.nan], metric="w1m")
    names, numbers = figure.axes
    assert [each.get_text() for each in names.get_xticklabels()] == ["3–2", "2–3"]
    assert [each.get_text() for each in numbers.get_xticklabels()] == ["0.01", "0.1"]
    assert names.get_ylabel() == "w1m"
    assert names.get_yscale() == "log"


def test_many_numbers_are_an_axis_and_nothing_is_an_empty_picture() -> None:
    figure = study([{"n": n} for n in range(40)], [n - 20.0 for n in range(40)], [0.0] * 40, metric="shift")
    low, high = figure.axes[0].get_xlim()
    assert low < 0
    assert high > 39
    assert figure.axes[0].get_yscale() == "linear"
    assert len(study([{"n": 1}], [math.nan], [math.nan], metric="w1m").axes) == 1
