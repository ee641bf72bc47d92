"""Section `label`."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.plots.label import FigureLabel
from cathode.config import parse_config
from cathode.config.label import LabelConfig
from cathode.errors import ConfigError
from tests.cathode.config.minimal import MINIMAL


def test_its_keys_are_what_a_figure_can_carry() -> None:
    assert list(LabelConfig.model_fields) == [field.name for field in dataclasses.fields(FigureLabel)]
    read = parse_config(MINIMAL + "label: {experiment: Toy, luminosity: 138, sqrt_s: 13000}").label
    assert FigureLabel(**read.model_dump()).right == "138 fb$^{-1}$ (13 TeV)"
    assert FigureLabel(**parse_config(MINIMAL).label.model_dump()) == FigureLabel()


@pytest.mark.parametrize("wrong", ["luminosity: 0", "sqrt_s: -13", "experiment: ''", "title: x"])
def test_what_means_nothing_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="label"):
        parse_config(MINIMAL + f"label: {{{wrong}}}")
