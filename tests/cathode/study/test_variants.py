"""All of a grid, or some at random: none twice, the same for the same seed, within their ranges."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cathode.errors import ConfigError
from cathode.study.study_file import StudyConfig
from cathode.study.variants import label, merged, variants


def study(**settings: Any) -> StudyConfig:
    return StudyConfig.model_validate({"jets": {"file": "a"}, "generator": {"kind": "mdma"}, **settings})


def test_a_grid_is_all_combinations_with_what_belongs_together() -> None:
    found = variants(study(grid={"a": [1, 2], "b.c": ["x", "y", "z"]}, variants=[{"d": 1}, {"d": 2, "e": 3}]))
    assert len(found) == 12
    assert found[0] == {"d": 1, "a": 1, "b.c": "x"}
    assert len({str(sorted(each.items())) for each in found}) == 12


def test_a_random_choice_is_drawn_once_and_for_all_and_lies_in_its_ranges() -> None:
    asked = study(
        grid={"a": [1, 2]},
        ranges={"r": {"low": 1e-4, "high": 1e-2, "scale": "logarithmic"}, "n": {"low": 2, "high": 5, "whole": True}},
        random={"variants": 400, "seed": 3},
    )
    found = variants(asked)
    assert found == variants(asked)
    assert all(1e-4 <= each["r"] <= 1e-2 and each["n"] in (2, 3, 4, 5) for each in found)
    # Half of the draws lie below the geometric mean.
    assert sum(each["r"] < 1e-3 for each in found) / 400 == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 400))
    assert {each["n"] for each in found} == {2, 3, 4, 5}


def test_a_part_of_a_grid_has_no_variant_twice() -> None:
    found = variants(study(grid={"a": [1, 2, 3], "b": [1, 2]}, random={"variants": 6}))
    assert len({(each["a"], each["b"]) for each in found}) == 6


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"grid": {"a": [1, 2]}, "random": {"variants": 3}}, "has 2 combinations"),
        ({"grid": {name: list(range(10)) for name in "abcde"}}, "100,000 combinations"),
        ({"ranges": {"n": {"low": 1, "high": 3, "whole": True}}, "random": {"variants": 9}}, "there are 3"),
    ],
)
def test_what_can_not_be_made_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        variants(study(**settings))


def test_paths_lead_into_sections_and_the_base_stays() -> None:
    base = {"kind": "mdma", "training": {"steps": 5}}
    assert merged(base, {"training.steps": 7, "width": 3})["training"] == {"steps": 7}
    assert base["training"] == {"steps": 5}
    with pytest.raises(ConfigError, match=r"kind\.x: 'kind' is 'mdma' and has no keys"):
        merged(base, {"kind.x": 1})
    assert label({"branches": [2, 3], "rate": 1e-3}) == "branches 2–3, rate 0.001"
