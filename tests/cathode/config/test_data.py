"""Section `data`."""

from pathlib import Path

import pytest

from analysis import Constituents
from cathode.config import load_config, parse_config
from tests.cathode.config.minimal import MINIMAL, problem


def test_constituents_take_the_place_of_features() -> None:
    config = parse_config(MINIMAL.replace("ntuple.root", "ntuple.root\n  constituents: {leading: 30, jets: Jet}"))
    assert config.data.features is None
    assert config.data.constituents is not None
    assert config.data.constituents.build() == Constituents(leading=30, jets="Jet")
    assert parse_config(config.to_yaml()) == config
    overridden = parse_config(MINIMAL, overrides={"data.constituents": {"leading": 8}})
    assert overridden.data.features is None
    assert parse_config(config.to_yaml(), overrides={"data.constituents": None}).data == parse_config(MINIMAL).data


def test_the_defaults_of_constituents_are_those_of_python() -> None:
    config = parse_config(MINIMAL, overrides={"data.constituents": {}})
    assert config.data.constituents is not None
    assert config.data.constituents.build() == Constituents()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("constituents: {leading: 3}\n  features: dijet", "line 3: data.constituents: can not be read together with"),
        ("layout: lhco\n  constituents: {}", "line 4: data.constituents: are not in a features file"),
        ("constituents: {leading: 0}", "line 3: data.constituents.leading: Input should be greater than or equal to 1"),
        ("constituents: {jet: Jet}", "line 3: data.constituents.jet: unknown key (value 'Jet'). Nearest: 'jets'"),
    ],
)
def test_wrong_constituents_are_named_with_their_place(data: str, said: str) -> None:
    assert said in problem(MINIMAL.replace("ntuple.root", f"ntuple.root\n  {data}"))


def test_constituents_are_read_from_an_analysis_file() -> None:
    text = """
data:
  files: embedded:dijet_constituents
  constituents: {leading: 30}
  mass: mjj(FatJet)
  truth: isSignal
  selection: FatJet_pt[0] > 2000
region: {signal: [3300, 3700]}
"""
    events = parse_config(text).read_events()
    assert events.x.shape == (len(events), 2, 30, 3)
    assert events.columns == ("pt", "eta", "phi")
    assert events.truth is not None
    assert 0 < events.truth.sum() < len(events) < 2000


def test_files_start_from_the_folder_of_the_analysis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NTUPLES", "/eos/ntuples")
    files = "[a.root, /b.root, 'root://host//c.root', $NTUPLES/d.root, 'embedded:dijets']"
    text = f"data: {{files: {files}}}\nregion: {{signal: [1, 2]}}"
    (tmp_path / "a.yaml").write_text(text)
    config = load_config(tmp_path / "a.yaml")
    assert config.data.files == (
        str(tmp_path / "a.root"),
        "/b.root",
        "root://host//c.root",
        "/eos/ntuples/d.root",
        "embedded:dijets",
    )


SHOWERS = MINIMAL.replace("ntuple.root", "showers.h5\n  layout: calochallenge\n  tree: calogan")


def test_of_showers_all_voxels_and_their_energy_are_read() -> None:
    config = parse_config(SHOWERS)
    assert config.data.mass == "e_rec"
    assert config.data.features is not None
    assert len(config.data.features) == 504
    assert config.data.features["voxel_503"] == "Voxel[503]"
    assert parse_config(config.to_yaml()) == config
    named = parse_config(SHOWERS, overrides={"data.features": {"a": "Layer_share[0]"}, "data.mass": "e_rec / 0.937"})
    assert named.data.features == {"a": "Layer_share[0]"}
    assert named.data.mass == "e_rec / 0.937"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SHOWERS.replace("calogan", "calogn"), "tree has to name the geometry of the showers. Nearest: 'calogan'"),
        (SHOWERS.replace("calogan", "calogan\n  units: MeV"), "files of showers say their units by their layout"),
        (MINIMAL.replace("ntuple.root", "ntuple.root\n  features: voxels"), "voxels are of showers"),
    ],
)
def test_what_makes_no_sense_of_showers_is_refused(text: str, said: str) -> None:
    assert said in problem(text)
