"""The figure of a fit, its pulls, and whose it is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.inference.signal_shapes import Gaussian, in_bins
from analysis.inference.spectrum_model import SpectrumModel
from analysis.plots.label import FigureLabel
from analysis.plots.spectrum_fit import residuals, spectrum_fit

EDGES = np.linspace(2000.0, 5000.0, 41)
FALLING = 1e4 * np.diff(-np.exp(-EDGES / 500)) * np.exp(4)


def model(strength: float) -> SpectrumModel:
    signal = 100 * in_bins(Gaussian(3500, 100), EDGES)
    counts = np.random.default_rng(1).poisson(FALLING + strength * signal)
    return SpectrumModel(EDGES, counts, signal)


def test_residuals_are_normal_for_many_events_and_finite_for_none() -> None:
    rng = np.random.default_rng(2)
    expected = np.full(20_000, 400.0)
    assert stats.kstest(residuals(rng.poisson(expected), expected), "norm").statistic < 0.03
    found = residuals(np.array([0.0, 0.0, 1.0]), np.array([2.0, 1e-9, 1.0]))
    assert found == pytest.approx([-2.0, 0.0, 0.0], abs=1e-4)


def test_the_pulls_of_the_figure_are_those_of_both_fits() -> None:
    one = model(2.0)
    figure = spectrum_fit(one)
    _, above, below = figure.axes
    for axes, fit in ((above, one.best), (below, one.fit(0.0))):
        drawn = axes.patches[-1].get_data().values  # type: ignore[attr-defined]
        np.testing.assert_allclose(drawn, residuals(one.counts, fit.expected))
        # Squared pulls add up to what the fit made small.
        assert (drawn**2).sum() == pytest.approx(fit.deviance)
    assert (above.patches[-1].get_data().values ** 2).sum() < (below.patches[-1].get_data().values ** 2).sum()  # type: ignore[attr-defined]


def test_nothing_is_labelled_unless_it_is_asked_for() -> None:
    top = spectrum_fit(model(0.0)).axes[0]
    assert top.get_title(loc="left") == top.get_title(loc="right") == ""
    top = spectrum_fit(model(0.0), label=FigureLabel("CMS", "Simulation", 138, 13_000)).axes[0]
    assert "CMS" in top.get_title(loc="left")
    assert top.get_title(loc="right") == r"138 fb$^{-1}$ (13 TeV)"
