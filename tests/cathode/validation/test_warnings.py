"""What a warning says to write into the analysis file is taken by the analysis file."""

from __future__ import annotations

import re
from dataclasses import replace

import yaml

from cathode.config.analysis import AnalysisConfig
from cathode.config.region import RegionConfig
from cathode.result import MassFitTest, SearchResult
from cathode.validation.turn_on import TurnOn
from cathode.validation.warnings import warnings_of


def lines(words: str) -> list[dict[str, object]]:
    """The YAML in backticks of a warning, but names of sections alone."""
    return [yaml.safe_load(found) for found in re.findall(r"`([^`]+: [^`]+)`", words)]


def warning(result: SearchResult, of: str) -> str:
    (words,) = (each for each in warnings_of(result) if of in each)
    return words


def test_remedies_of_the_mass_fit_are_settings(result: SearchResult) -> None:
    nearby = MassFitTest("nearby sidebands", 3300, 3700, 58_000, 240, 60_000, 8.0, False)
    (said,) = lines(warning(replace(result, mass_fit_tests=(nearby,)), "Limit the sidebands"))
    assert RegionConfig(signal=(3300, 3700), **said).sidebands == (2500, 4800)
    beside = replace(nearby, what="validation region", low=2600, high=2700, pull=-8.0)
    sidebands, model = lines(warning(replace(result, mass_fit_tests=(beside,)), "above the turn-on"))
    assert RegionConfig(signal=(3300, 3700), **sidebands).sidebands == (2500, None)
    assert model == {"mass_model": {"kind": "kde"}}


def test_tied_scores_name_the_cut_that_they_allow(result: SearchResult) -> None:
    cut = replace(result.cuts[0], realised_efficiency=0.31)
    (said,) = lines(warning(replace(result, cuts=(cut,)), "tells too few events apart"))
    assert said == {"background_efficiencies": [0.6]}
    assert set(said) <= {*AnalysisConfig.model_fields}


def test_what_withholds_a_result_is_said_once_with_a_window(result: SearchResult) -> None:
    rise = str(TurnOn(2877, 3249, 44.2, 3361))
    cuts = tuple(replace(cut, significance=float("nan"), reason=rise) for cut in result.cuts)
    words = [each for each in warnings_of(replace(result, withheld=rise, cuts=cuts)) if "rises" in each]
    assert len(words) == 1
    (said,) = lines(words[0])
    assert RegionConfig(**said).signal == (4033, 4437)
