"""Events of a run keep their folds when they are scored again; what would change that is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from analysis.io.scores import read_scores, write_scores
from cathode.commands import Scored, run_analysis, score_files
from cathode.config import load_config, parse_config
from cathode.cut_and_count import Cut
from cathode.errors import ConfigError, RunFolderError
from cathode.runtime.tables import write_table
from cathode.scoring import Scorer, Scores, columns, score

ANALYSIS = """
data:
  files: [a.root, b.h5, c.root]
  tree: null
  mass: m
  features: {x: x, y: y}
  selection: k > 0
  weight: w
  truth: s
  identifiers: entry
region: {signal: [3300, 3700]}
template: {generator: {kind: gaussian_mixture, training: {steps: 20}}, oversampling: 1}
classifier: {kind: boosted_trees, members: 1, max_iter: 10}
background_efficiencies: [0.1, 0.2]
validation: {closure: false}
folds: 3
threads: 1
"""
Rows = dict[str, np.ndarray]


def table(n: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    normal = {name: rng.normal(size=n) for name in "xy"}
    return normal | {"m": 2200 + rng.exponential(700, n), "k": rng.integers(0, 5, n), "w": np.ones(n), "s": np.zeros(n)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rescored")
    for seed, (name, n) in enumerate((("a.root", 2500), ("b.h5", 2000), ("c.root", 2200))):
        write_table(folder / name, table(n, seed))
    run_analysis(parse_config(ANALYSIS, folder=folder), folder / "run", report=False)
    return folder


@pytest.fixture
def again(place: Path, tmp_path: Path) -> Callable[..., tuple[Scored, Rows]]:
    def scored(*files: str | Path, overrides: Any = (), run: str | Path = "run") -> tuple[Scored, Rows]:
        paths = [str(place / name) for name in files]
        done = score_files(place / run, paths, tmp_path / "again.root", overrides=overrides)
        return done, uproot.open(tmp_path / "again.root")["Scores"].arrays(library="np")

    return scored


def in_run(place: Path, name: str) -> Rows:
    with uproot.open(place / "run" / "scores.root") as file:
        rows, files = file["Scores"].arrays(library="np"), file["Files"].arrays(library="np")
    number = [Path(path).name for path in files["path"]].index(name)
    return {key: values[rows["file"] == number] for key, values in rows.items()}


def assert_same_scores(run: Rows, again: Rows) -> None:
    both = run["selected"] & again["selected"]
    assert both.sum() > 500
    for key in ("fold", "score", "passes_0p1", "run", "luminosityBlock", "event", "mass"):
        np.testing.assert_array_equal(run[key][both], again[key][both], err_msg=key)


@pytest.mark.parametrize("name", ["a.root", "b.h5", "c.root"])
def test_a_file_of_the_run_keeps_its_folds_alone_copied_and_renamed(
    place: Path, again: Callable[..., tuple[Scored, Rows]], tmp_path: Path, name: str
) -> None:
    copy = tmp_path / f"renamed{Path(name).suffix}"
    shutil.copy(place / name, copy)
    for path in (name, copy):
        done, rows = again(path)
        assert done.warnings == ()
        assert_same_scores(in_run(place, name), rows)


def test_the_order_of_the_files_does_not_matter(place: Path, again: Callable[..., tuple[Scored, Rows]]) -> None:
    _, rows = again("c.root", "b.h5", "a.root")
    for number, name in enumerate(("c.root", "b.h5", "a.root")):
        assert_same_scores(in_run(place, name), {key: v[rows["file"] == number] for key, v in rows.items()})


@pytest.mark.parametrize(
    "override",
    [
        "data.mass=m + 1",
        "data.features.x=y",
        "data.features={x: x, y: 2 * y}",
        "data.identifiers=k",
        "data.tree=other",
        "data.units=MeV",
        "data.layout=lhco",
    ],
)
def test_what_would_make_other_events_of_the_run_is_refused_by_name(
    place: Path, again: Callable[..., tuple[Scored, Rows]], tmp_path: Path, override: str
) -> None:
    copy = tmp_path / "renamed.root"
    shutil.copy(place / "a.root", copy)
    key = ".".join(override.split("=")[0].split(".")[:2])
    for path in ("a.root", copy):
        with pytest.raises(ConfigError, match=rf"--set {key}: '.*{Path(path).name}' is one of the files of this run"):
            again(path, overrides=[override])
    assert not (tmp_path / "again.root").exists()


def test_what_leaves_the_events_as_they_are_is_allowed(
    place: Path, again: Callable[..., tuple[Scored, Rows]], tmp_path: Path
) -> None:
    harmless = ["data.selection=x > 0", "data.memory=3 MB", "data.weight=null", "data.truth=null", "data.tree=Events"]
    _, rows = again("a.root", overrides=[*harmless, "data.identifiers=entry", "data.checksums=false"])
    assert_same_scores(in_run(place, "a.root"), rows)
    assert again("b.h5", overrides=["data.checksums=false"])[0].warnings == ()
    write_table(tmp_path / "other.root", table(1500, 9) | {"z": np.zeros(1500)})
    done, rows = again(tmp_path / "other.root", overrides=["data.mass=m + 0 * z", "data.identifiers=entry"])
    assert done.events == rows["selected"].sum() > 1000
    assert "other.root' was not in the run" in done.warnings[0]
    with pytest.raises(ConfigError, match="the search is finished"):
        again("a.root", overrides=["folds=2"])


def test_neither_weights_nor_truth_nor_events_are_needed(
    again: Callable[..., tuple[Scored, Rows]], tmp_path: Path
) -> None:
    data = {key: values for key, values in table(1500, 9).items() if key not in "ws"}
    write_table(tmp_path / "data.root", data)
    assert again(tmp_path / "data.root")[0].events > 1000
    write_table(tmp_path / "empty.root", {key: values[:0] for key, values in data.items()})
    done, rows = again(tmp_path / "empty.root")
    assert (done.events, len(rows["score"])) == (0, 0)
    assert done.passes == {0.1: 0, 0.2: 0}
    write_table(tmp_path / "none.root", data | {"k": np.zeros(1500)})
    done, rows = again(tmp_path / "none.root")
    assert done.events == 0
    assert np.isnan(rows["score"]).all()
    assert rows["fold"].tolist() == [-1] * 1500
    assert rows["event"].tolist() == list(range(1500))


def test_a_run_whose_events_had_other_folds_is_refused(
    place: Path, again: Callable[..., tuple[Scored, Rows]], tmp_path: Path
) -> None:
    """As those made when positions went on from file to file."""
    run = tmp_path / "old"
    shutil.copytree(place / "run", run)
    events = load_config(run / "config.yaml").read_events()
    stored = read_scores(run / "scores.root").of(events)
    write_scores(run / "scores.root", events, {**stored, "fold": (stored["fold"] + 1) % 3})
    with pytest.raises(RunFolderError, match=r"b\.h5' was in this run, but \d+ of its \d+ events are now in another"):
        again("b.h5", run=run)
    with pytest.raises(RunFolderError, match="was in this run"):
        score(run, events)


def test_a_file_that_has_changed_is_refused_where_only_the_position_tells_its_events_apart(
    place: Path, again: Callable[..., tuple[Scored, Rows]], tmp_path: Path
) -> None:
    changed = tmp_path / "changed.root"
    shutil.copy(place / "a.root", changed)
    new = table(2500, 77)
    with uproot.update(changed) as file:
        file.mktree("Events", {key: values.dtype for key, values in new.items()}).extend(new)
    with pytest.raises(RunFolderError, match=r"changed\.root' was in this run and has changed since"):
        again(changed)


@pytest.mark.parametrize("broken", ["thresholds", "one cut", "classifiers", "settings"])
def test_thresholds_that_do_not_fit_the_folds_are_refused(
    place: Path, again: Callable[..., tuple[Scored, Rows]], tmp_path: Path, broken: str
) -> None:
    run = tmp_path / "broken"
    shutil.copytree(place / "run", run)
    result = json.loads((run / "result.json").read_text())
    if broken == "classifiers":
        shutil.rmtree(run / "classifiers" / "fold_2")
    elif broken == "settings":
        result["config"]["folds"] = 4
    else:
        for cut in result["cuts"][: None if broken == "thresholds" else 1]:
            cut["thresholds"] = cut["thresholds"][:2]
    (run / "result.json").write_text(json.dumps(result))
    with pytest.raises(RunFolderError, match="the parts do not belong together"):
        Scorer.load(run)
    with pytest.raises(RunFolderError, match="the parts do not belong together"):
        again("a.root", run=run)


def test_cuts_that_differ_in_the_seventh_digit_keep_their_flags(place: Path) -> None:
    scorer = Scorer.load(place / "run")
    events = load_config(place / "run" / "config.yaml").read_events()[:10]
    cuts = (Cut(0.01, np.zeros(3)), Cut(0.010000001, np.ones(3)))
    found = columns(events, Scores(np.zeros(10), np.zeros(10, int), np.zeros((2, 10), bool)), scorer.region, cuts)
    assert {"passes_0p01", "passes_0p010000001"} <= found.keys()
