"""Every verb of the command line, once, on a small ntuple."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import uproot
from typer.testing import CliRunner

from analysis.events import FloatArray
from analysis.io.scores import read_scores
from cathode import observables
from cathode.classifiers import load_classifier
from cathode.cli.app import app
from cathode.commands import sample_template, score_files
from cathode.comparison.result import GeneratorComparison
from cathode.config import load_config
from cathode.errors import ClassifierInputError, ConfigError, RunFolderError
from cathode.registry import CLASSIFIERS
from cathode.result import SearchResult
from cathode.runtime.tables import write_table


@observables.register
@dataclass(frozen=True)
class Magnitude(observables.Observables):
    """The feature and its magnitude."""

    kind: ClassVar[str] = "test_magnitude"

    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        return ("x", "|x|")

    def compute(self, x: FloatArray) -> FloatArray:
        return np.column_stack([x, np.abs(x)])


ANALYSIS = """\
data:
  files: events.root
  mass: m
  features: {x: x}
  truth: signal
region: {signal: [3300, 3700], sidebands: [2500, 6000]}
template:
  generator: {kind: flow_matching, hidden: 16, layers: 1, training: {steps: 150, batch_size: 512}}
  oversampling: 2
classifier: {kind: boosted_trees, members: 2, max_iter: 20, jobs: 1}
folds: 2
background_efficiencies: [0.1, 0.05]
validation: {members: 1}
threads: 1
"""


def cathode(*arguments: object):
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def write_events(path: Path, seed: int, n: int = 12_000) -> None:
    rng = np.random.default_rng(seed)
    signal = np.arange(n) >= n - 150
    mass = np.where(signal, rng.normal(3500, 50, n), 2500 + rng.exponential(700, n))
    shift = np.where(signal, 3.0, 0.0)
    columns = {
        "run": np.full(n, seed, np.uint32),
        "luminosityBlock": np.ones(n, np.uint32),
        "event": np.arange(n, dtype=np.uint64),
        "m": mass,
        "x": rng.normal(shift, 1.0),
        "signal": signal.astype(np.int8),
    }
    write_table(path, columns)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("made")
    write_events(folder / "events.root", seed=1)
    write_events(folder / "more.root", seed=2, n=3_000)
    (folder / "analysis.yaml").write_text(ANALYSIS)
    validated = cathode("validate", folder / "analysis.yaml", "-o", folder / "run", "--json")
    done = cathode("run", folder / "analysis.yaml", "-o", folder / "run", "--json", "--no-report")
    return SimpleNamespace(
        folder=folder, run=folder / "run", output=done.stdout, validated=json.loads(validated.stdout)
    )


def test_a_run_leaves_everything_that_is_promised(made: SimpleNamespace) -> None:
    cathode("report", made.run)
    for name in (
        "config.yaml",
        "result.json",
        "scores.root",
        "report.html",
        "diagnostics.npz",
        "figures/spectrum.png",
        "template/card.json",
        "template/weights.safetensors",
    ):
        assert (made.run / name).stat().st_size > 0
    assert not list(made.run.rglob(".*"))


def test_the_printed_result_is_the_stored_one_with_its_configuration_and_hashes(made: SimpleNamespace) -> None:
    stored = SearchResult.read(made.run / "result.json")
    assert SearchResult.from_json(made.output) == stored
    assert stored.config == load_config(made.run / "config.yaml").resolved()
    assert len(stored.inputs[0].sha256) == 64


def test_validation_before_the_search_is_the_validation_in_it(made: SimpleNamespace) -> None:
    stored = SearchResult.read(made.run / "result.json")
    assert [c["auc"] for c in made.validated["closures"]] == [c.auc for c in stored.closures]
    before = made.validated["region_shifts"]
    # The classifiers of the window, which the search asks about regions far from it, are not there before.
    of_regions = [s for s in stored.region_shifts if s.classifiers == "region"]
    assert {s.classifiers for s in stored.region_shifts} == {"region", "window"}
    seen = [(s.background_efficiency, s.low, s.high, s.counted, s.shift, s.error) for s in of_regions]
    names = ("background_efficiency", "low", "high", "counted", "shift", "error")
    assert [tuple(s[name] for name in names) for s in before] == seen


def test_the_same_command_finds_its_work_done(made: SimpleNamespace) -> None:
    weights = made.run / "template" / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    again = cathode("run", made.folder / "analysis.yaml", "-o", made.run, "--json", "--no-report")
    assert weights.stat().st_mtime_ns == before
    first, second = SearchResult.from_json(made.output), SearchResult.from_json(again.stdout)
    assert second.cuts == first.cuts


@pytest.mark.parametrize("verb", ["run", "validate", "train"])
def test_a_folder_of_another_search_is_refused(made: SimpleNamespace, verb: str) -> None:
    arguments = [verb, str(made.folder / "analysis.yaml"), "-o", str(made.run), "--set", "seed=2"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "holds another search (seed was 1)" in done.stderr


def test_scores_of_its_own_file_are_those_of_the_run(made: SimpleNamespace) -> None:
    target = made.folder / "again.root"
    cathode("score", made.run, made.folder / "events.root", "-o", target)
    run, again = read_scores(made.run / "scores.root"), read_scores(target)
    both = run.selected & again.selected
    assert both.sum() > 10_000
    np.testing.assert_array_equal(run.columns["score"][both], again.columns["score"][both])


def test_other_ntuples_are_scored_entry_by_entry(made: SimpleNamespace) -> None:
    target = made.folder / "more_scores.root"
    said = json.loads(cathode("score", made.run, made.folder / "more.root", "-o", target, "--json").stdout)
    with uproot.open(target) as file, uproot.open(made.folder / "more.root") as source:
        scores = file["Scores"].arrays(library="np")
        np.testing.assert_array_equal(scores["event"], source["Events"]["event"].array(library="np"))
    assert said["events"] == 3000
    assert said["passes"]["0.1"] > said["passes"]["0.05"] > 0
    with pytest.raises(ConfigError, match="the search is finished"):
        score_files(made.run, [], target, overrides=["seed=3"])


def test_a_search_with_parts_of_ones_own_scores_with_the_same_plugin(
    made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made.folder / "own_trees.py").write_text(
        "from cathode.classifiers import register\n"
        "from cathode.classifiers.boosted_trees import BoostedTrees\n"
        "@register\n"
        "class OwnTrees(BoostedTrees):\n"
        "    kind = 'own_trees'\n"
    )
    monkeypatch.syspath_prepend(made.folder)
    run = made.folder / "own"
    changes = ("classifier={kind: own_trees, members: 1, max_iter: 5}", "template.generator.training.steps=5")
    options = [o for change in (*changes, "validation.closure=false") for o in ("--set", change)]
    cathode("run", made.folder / "analysis.yaml", "-o", run, "--no-report", "--plugin", "own_trees", *options)
    monkeypatch.delitem(CLASSIFIERS._known, "own_trees")
    monkeypatch.delitem(sys.modules, "own_trees")
    arguments = [str(a) for a in ("score", run, made.folder / "more.root", "-o", made.folder / "own.root")]
    without = CliRunner().invoke(app, arguments)
    assert without.exit_code == 1
    assert "own_trees" in without.stderr
    cathode(*arguments, "--plugin", "own_trees")
    assert read_scores(made.folder / "own.root").selected.sum() == 3_000


@pytest.mark.parametrize("suffix", ["root", "parquet", "h5"])
def test_training_then_sampling_gives_background_in_the_window(made: SimpleNamespace, suffix: str) -> None:
    template, output = made.folder / "template", made.folder / f"template.{suffix}"
    cathode("train", made.folder / "analysis.yaml", "-o", template)
    cathode("sample", template, "-n", 500, "-o", output, "--seed", 4)
    drawn, columns = sample_template(template, 500, seed=4)
    assert columns == ("x",)
    assert drawn.mass.min() >= 3300
    assert drawn.mass.max() < 3700
    assert abs(np.median(drawn.x)) < 0.5
    if suffix == "root":
        with uproot.open(output) as file:
            np.testing.assert_array_equal(file["Events"]["mass"].array(library="np"), drawn.mass)


def test_a_finished_run_can_be_sampled(made: SimpleNamespace) -> None:
    assert len(sample_template(made.run, 100, seed=1)[0]) == 100


def test_training_alone_is_the_training_of_the_search(made: SimpleNamespace) -> None:
    cathode("train", made.folder / "analysis.yaml", "-o", made.folder / "template")
    cards = [json.loads((f / "template" / "card.json").read_text()) for f in (made.run, made.folder / "template")]
    assert cards[0]["weights_hash"] == cards[1]["weights_hash"]


def test_reweighting_is_trained_drawn_with_and_taken_over_by_the_search(made: SimpleNamespace) -> None:
    # The weights are learned from two observables of the one that the search sees.
    classifier = "{kind: boosted_trees, members: 1, max_iter: 10, jobs: 1}"
    reweighting = f"{{classifier: {classifier}, folds: 2, clip: 3, observables: test_magnitude}}"
    reweighting = f"[{reweighting}, {{classifier: {classifier}, folds: 3, clip: 2}}]"
    changes = (f"template.reweighting={reweighting}", "validation.closure=false")
    options = [o for change in changes for o in ("--set", change)]
    folder = made.folder / "reweighted"
    cathode("train", made.folder / "analysis.yaml", "-o", folder, *options)
    reweighted, plain = (sample_template(place, 400, seed=4)[0] for place in (folder, made.run))
    np.testing.assert_array_equal(reweighted.mass, plain.mass)
    assert not np.any(reweighted.x == plain.x)
    card = folder / "reweighting" / "fold_1" / "card.json"
    before = card.stat().st_mtime_ns
    cathode("run", made.folder / "analysis.yaml", "-o", folder, "--no-report", *options)
    assert card.stat().st_mtime_ns == before
    result = SearchResult.read(folder / "result.json")
    assert [(each.stage, each.step) for each in result.reweightings] == [("template", 1), ("template", 2)]
    saved = load_classifier(card.parent)
    with pytest.raises(ClassifierInputError, match="2 features; the classifier was trained with 3"):
        saved.score(np.zeros((1, 2)))
    np.testing.assert_array_equal(sample_template(folder, 400, seed=4)[0].x, reweighted.x)
    shutil.rmtree(folder / "reweighting_2" / "fold_2")
    with pytest.raises(RunFolderError, match="reweighting_2: no finished reweighting"):
        sample_template(folder, 3, seed=1)


def test_generators_are_compared_and_the_comparison_continues(made: SimpleNamespace) -> None:
    short, long = (f"{{kind: maf, training: {{epochs: {epochs}}}}}" for epochs in (1, 2))
    tiny = "{kind: flow_matching, hidden: 8, layers: 1, training: {steps: 20}}"
    arguments = ["compare", made.folder / "analysis.yaml", "-o", made.folder / "comparison"]
    found = GeneratorComparison.from_json(cathode(*arguments, "-g", short, "-g", tiny, "--json").stdout)
    assert found == GeneratorComparison.read(made.folder / "comparison" / "comparison.json")
    assert found.config == load_config(made.folder / "comparison" / "config.yaml").resolved()
    assert sorted(j.generator["kind"] for j in found.candidates) == ["flow_matching", "maf"]
    assert {(3100, 3300), (3700, 3900)} <= set(found.validation_regions)
    # With candidates from the file, and one of them is there.
    listed = f"comparison.generators=[{short}, {long}]"
    shown = cathode(*arguments, "--set", listed, "--set", "comparison.generators.1.training.epochs=3")
    again = GeneratorComparison.read(made.folder / "comparison" / "comparison.json")
    evaluated = {j.name: j for j in again.candidates}
    assert evaluated.keys() == {"maf (training.epochs 1)", "maf (training.epochs 3)"}
    assert evaluated["maf (training.epochs 1)"].auc in [j.auc for j in found.candidates]
    assert shown.stdout.rstrip().endswith(str(made.folder / "comparison"))
    for candidate in again.candidates:
        assert candidate.name in " ".join(shown.stdout.split())
        assert f"{candidate.auc.value:.4f} ± {candidate.auc.error:.4f}" in shown.stdout


def test_a_comparison_of_nothing_is_refused(made: SimpleNamespace) -> None:
    done = CliRunner().invoke(app, ["compare", str(made.folder / "analysis.yaml")])
    assert done.exit_code == 1
    assert "comparison.generators is empty" in done.stderr


def test_unknown_formats_are_named(made: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown format '\.csv'"):
        write_table(tmp_path / "a.csv", {"x": np.zeros(3)})
    with pytest.raises(RunFolderError, match="no mass_model"):
        sample_template(tmp_path, 3, seed=1)
