"""One analysis as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from cathode.config import load_config, parse_config
from cathode.errors import ConfigError

from .minimal import MINIMAL


def test_what_is_in_force_is_loaded_as_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MINIMAL + "folds: 3\nclassifier: mlp\n")
    config = load_config(tmp_path / "a.yaml")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.yaml").write_text(config.to_yaml())
    again = load_config(tmp_path / "elsewhere" / "b.yaml")
    assert again.resolved() == config.resolved()
    assert config.inputs() == [str(tmp_path / "ntuple.root"), str(tmp_path / "a.yaml")]


def test_the_search_is_the_one_that_is_described() -> None:
    text = MINIMAL + "folds: 3\nseed: 11\nbackground_efficiencies: [0.02]\nvalidation: {closure: false}\nthreads: 1\n"
    search = parse_config(text, name="a").search()
    assert (search.folds, search.seed, search.background_efficiencies) == (3, 11, (0.02,))
    assert (search.closure, search.workers, search.region.low) == (False, 1, 3300.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("background_efficiencies: [0.01, 0.01]\n", "twice"),
        ("folds: 1\n", "folds"),
        ("store: ''\n", "store"),
    ],
)
def test_what_can_not_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_config(MINIMAL + text, name="a")


def test_a_part_that_the_method_does_not_use_is_refused() -> None:
    config = parse_config(MINIMAL + "method: cwola\ntemplate: {oversampling: 7}\n", name="a")
    with pytest.raises(ConfigError, match=r"template\.oversampling: method cwola does not use it"):
        config.search()
    assert parse_config(MINIMAL + "method: cwola\n", name="a").search().method.kind == "cwola"


def test_every_exchangeable_part_has_its_place() -> None:
    text = MINIMAL + "template:\n  reweighting: [{classifier: mlp}, {clip: 3}]\n"
    places = set(parse_config(text, name="a").components())
    assert {"method", "mass_model", "template.generator", "observables", "classifier"} <= places
    assert len([place for place in places if "reweighting" in place]) == 2
