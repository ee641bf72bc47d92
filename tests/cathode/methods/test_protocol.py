"""What a task and a background know of their masses, and what a search makes of samples that are no data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cathode.config import load_config
from cathode.config.documents import parse_config
from cathode.errors import ConfigError, RunFolderError
from cathode.methods.protocol import Background, everywhere
from cathode.observables import AsRead
from cathode.search import Search

from ..toys import REGION, Discriminant, TrueMass, toy_events
from .asking import task


def test_a_task_is_inside_of_its_intervals() -> None:
    asked = task(toy_events(2000, seed=1))
    assert asked.inside(np.array([3299.9, 3300.0, 3500.0, 3700.0])).tolist() == [False, True, True, False]
    assert np.all(asked.inside(asked.target.events.mass))
    assert not np.any(asked.background.inside(asked.target.events.mass))


def test_a_background_is_everywhere_unless_it_says_otherwise() -> None:
    beside = Background(toy_events(10, seed=1), AsRead())
    assert np.all(beside.inside(np.array([0.0, 1e9])))
    assert everywhere(np.empty(0)).shape == (0,)


def search() -> Search:
    return Search.of(
        "idealised",
        region=REGION,
        classifier=Discriminant(),
        mass_model=TrueMass(),
        folds=2,
        background_efficiencies=(0.05,),
        closure=False,
        workers=1,
    )


def test_a_missing_sample_is_named_with_its_remedy() -> None:
    with pytest.raises(ConfigError, match=r"needs the sample 'background'; name its files in data\.auxiliary"):
        search().run(toy_events(6000, seed=1))


def test_a_folder_belongs_to_its_samples_too(tmp_path: Path) -> None:
    data, sample = toy_events(6000, seed=1), toy_events(9000, seed=2)
    search().run(data, output=tmp_path / "run", auxiliary={"background": sample})
    with pytest.raises(RunFolderError):
        search().run(data, output=tmp_path / "run", auxiliary={"background": toy_events(9000, seed=3)})


def test_samples_of_an_analysis_file_are_inputs_relative_to_it(tmp_path: Path) -> None:
    place = tmp_path / "analysis.yaml"
    place.write_text(
        "data: {files: embedded:dijets, auxiliary: {simulation: other.root, background: [embedded:dijets]}}\n"
        "region: {signal: [3300, 3700]}\nmethod: salad\n"
    )
    config = load_config(place)
    assert config.data.auxiliary["simulation"] == (str(tmp_path / "other.root"),)
    assert str(tmp_path / "other.root") in config.data_files()
    assert config.search().method.kind == "salad"


def settings(method: str) -> str:
    return f"data: {{files: embedded:dijets}}\nregion: {{signal: [3300, 3700]}}\nmethod: {method}\n"


def test_parts_of_a_method_are_exchangeable_in_an_analysis_file() -> None:
    made = parse_config(settings("{kind: curtains, map: {kind: affine_coupling, blocks: 3}}")).search().method
    assert (made.map.kind, made.map.blocks) == ("affine_coupling", 3)  # type: ignore[attr-defined]
    of_default = parse_config(settings("{kind: salad, ratio: {hidden: 7}}")).search().method
    assert (of_default.ratio.hidden, of_default.ratio.members) == (7, 3)  # type: ignore[attr-defined]
    by_name = parse_config(settings("{kind: paws, prior: boosted_trees}")).search().method
    assert by_name.prior.kind == "boosted_trees"  # type: ignore[attr-defined]


def test_what_is_resolved_is_the_same_analysis() -> None:
    config = parse_config(settings("{kind: r_anode, signal: {kind: maf, blocks: 2}}"))
    assert parse_config(config.to_yaml()) == config
    assert parse_config(config.to_yaml()).search().settings() == config.search().settings()


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("{kind: curtains, map: {kind: spline}}", "no generator of kind 'spline'"),
        ("{kind: curtains, map: {kind: maf, blokcs: 3}}", "blokcs"),
        ("{kind: salad, ratio: 3}", "a kind of classifier"),
    ],
)
def test_a_wrong_part_is_named(method: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_config(settings(method))
