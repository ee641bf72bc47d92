"""Figures of calibrations show the numbers that they are given."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.plots.calibration import before_and_after, claims_without_signal, null_distribution

NULL = np.random.default_rng(3).normal(0.6, 0.8, 200)


def texts(axes: object) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[attr-defined]


def test_a_null_distribution_is_normalised_and_names_mean_and_width() -> None:
    (axes,) = null_distribution(NULL, observed=9.5).axes
    steps = [patch.get_data() for patch in axes.patches if hasattr(patch, "get_data")]
    assert all(float(step.values @ np.diff(step.edges)) == pytest.approx(1) for step in steps)
    assert f"Normal, mean {NULL.mean():.2f}, width {NULL.std(ddof=1):.2f}" in texts(axes)
    assert "Data" in texts(axes)
    assert axes.get_xlim()[1] > 9.5
    assert "Data" not in texts(null_distribution(NULL).axes[0])


def test_p_values_are_drawn_as_their_distribution_function() -> None:
    p = np.array([0.9, 0.1, 0.4, 0.2])
    _, right = before_and_after({"before": NULL, "after": NULL - 0.6}, {"before": p}).axes
    step = right.lines[0]
    np.testing.assert_allclose(np.asarray(step.get_xdata(), float), [0.1, 0.2, 0.4, 0.9])
    np.testing.assert_allclose(np.asarray(step.get_ydata(), float), [0.25, 0.5, 0.75, 1])


def test_every_window_is_a_row_and_every_method_a_marker() -> None:
    windows = [(2600.0, 2900.0), (3700.0, 4100.0)]
    claims = {"S/√B": np.array([5.0, 1.0]), "this search": np.array([0.7, -0.2])}
    (axes,) = claims_without_signal(windows, claims, chosen=(3300.0, 3700.0)).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2600–2900", "3700–4100"]
    assert texts(axes) == list(claims)
    drawn = [np.asarray(line.get_xdata(), float) for line in axes.lines if line.get_linestyle() == "None"]
    np.testing.assert_allclose(np.stack(drawn), np.stack(list(claims.values())))
    assert "3300–3700 GeV is not looked at" in axes.get_title(loc="left")


def test_what_is_not_claimed_is_hollow() -> None:
    windows = [(2600.0, 2900.0), (3700.0, 4100.0)]
    claims = {"S/√B": np.array([5.0, 1.0]), "this search": np.array([0.7, -0.2])}
    (axes,) = claims_without_signal(windows, claims, claimed=[True, False]).axes
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert [float(value) for line in hollow for value in np.asarray(line.get_xdata())] == [-0.2]
    assert "this search, not claimed" in texts(axes)
