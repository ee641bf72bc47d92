"""Labels of an experiment above figures."""

from __future__ import annotations

import io
import logging

import pytest

from analysis.plots.label import FigureLabel, stamp
from analysis.plots.style import single


def test_nothing_is_drawn_of_nothing() -> None:
    figure, axes = single()
    stamp(figure, FigureLabel())
    assert axes.get_title(loc="left") == axes.get_title(loc="right") == ""


def test_energy_is_in_tev_and_the_label_stands_on_both_sides() -> None:
    figure, axes = single()
    stamp(figure, FigureLabel("CMS", "Preliminary", 59.7, 13_000))
    assert "CMS" in axes.get_title(loc="left")
    assert axes.get_title(loc="right") == r"59.7 fb$^{-1}$ (13 TeV)"
    assert FigureLabel(luminosity=3).right == r"3 fb$^{-1}$"
    assert FigureLabel(sqrt_s=900.0).right == "0.9 TeV"


def test_a_title_keeps_its_place() -> None:
    figure, axes = single()
    axes.set_title("training", loc="left")
    stamp(figure, FigureLabel("CMS", sqrt_s=13_000))
    assert axes.get_title(loc="left") == "training"
    assert "CMS" in axes.get_title(loc="right")
    assert "13 TeV" in axes.get_title(loc="right")


def test_any_text_can_be_drawn() -> None:
    figure, _ = single()
    stamp(figure, FigureLabel(r"a_b^c $x$ \frac{", "50 % & #1 ~ {", process=r"$pp \to jj"))
    figure.savefig(io.BytesIO(), format="png")


def test_every_sign_of_a_process_has_a_glyph(caplog: pytest.LogCaptureFixture) -> None:
    figure, axes = single()
    stamp(figure, FigureLabel(luminosity=138, process="W′ → XY, Z″ → ττ, ℓν ≥ 1 × é²"))
    with caplog.at_level(logging.WARNING, "matplotlib.mathtext"):
        figure.savefig(io.BytesIO(), format="png")
    assert not caplog.records
    assert r"W$^{\prime}$ → XY, Z$^{\prime\prime}$ →" in axes.get_title(loc="right")
