"""Settings that make no sense are refused, before anything is trained."""

from __future__ import annotations

import pytest

from cathode.errors import ConfigError
from cathode.methods.transit import Transit
from cathode.testing.toy import TrueGenerator
from generators.registry import create

from ..toys import toy_events
from .asking import background


def test_refuses_settings_and_parts_that_it_can_not_use() -> None:
    for wrong in (
        {"oversampling": 0.0},
        {"reach": 1.0},
        {"reach": float("nan")},
        {"closeness": -1.0},
        {"critic_steps": 0},
    ):
        with pytest.raises(ConfigError):
            Transit(**wrong)
    beside = background(toy_events(2000, seed=1))
    for part in (TrueGenerator(), create({"kind": "vae"})):
        with pytest.raises(ConfigError):
            Transit(map=part).require(beside)


def test_its_map_is_a_part_of_an_analysis_file() -> None:
    made = Transit(map={"kind": "affine_coupling", "blocks": 3})
    assert (made.map.kind, made.map.blocks) == ("affine_coupling", 3)
