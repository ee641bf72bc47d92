"""A study from file to table: every variant, once; continued, extended, and honest about what failed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from analysis.errors import OutputError, TooFewEventsError
from cathode.commands import study_file
from cathode.errors import ConfigError
from cathode.study.result import StudyResult, StudyRow, best_first, shown, summarised
from cathode.study.trainings import compared_jets, jets_of, of_closure
from cathode.validation.sideband_closure import ClosureTest
from tests.generators.test_clouds import clouds

STUDY = """
jets: {file: embedded:top_jets, train: 200, compared: 200}
generator: {kind: mdma, width: 8, hidden: 8, critic_hidden: 8, layers: 1, heads: 2, training: {steps: 3}}
grid: {layers: [1, 2]}
metric: w1p
"""


def test_from_file_to_table_and_on(tmp_path: Path) -> None:
    file, folder = tmp_path / "study.yaml", tmp_path / "out"
    file.write_text(STUDY, encoding="utf-8")
    told: list[float] = []
    found = study_file(file, folder, workers=1, progress=lambda stage, done, total, note="": told.append(done))
    assert told == [1, 2]
    assert {row.settings["layers"] for row in found.rows} == {1, 2}
    assert found.rows[0].mean["w1p"] <= found.rows[1].mean["w1p"]
    assert all(math.isfinite(value) for row in found.rows for value in row.mean.values())
    assert found.rows[0].mean["parameters"] != found.rows[1].mean["parameters"]
    assert StudyResult.from_json((folder / "study.json").read_text()).markdown() == found.markdown()
    assert (folder / "study.md").read_text().count("\n") == 4
    assert (folder / "study.png").stat().st_size > 1_000
    # Again: nothing is trained; with another value and a seed what was done stays.
    times = finished(folder)
    file.write_text(STUDY.replace("[1, 2]", "[1, 2, 0]"), encoding="utf-8")
    with pytest.raises(ConfigError, match="layers 0: layers = 0 of mdma"):
        study_file(file, folder, workers=1)
    file.write_text(STUDY + "seeds: [1, 5]\n", encoding="utf-8")
    more = study_file(file, folder, workers=1)
    assert all(row.trainings == 2 and row.deviation["w1p"] > 0 for row in more.rows)
    assert times.items() <= finished(folder).items()


def finished(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "trainings" / "done").iterdir()}


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    file = tmp_path / "study.yaml"
    file.write_text(STUDY, encoding="utf-8")
    with pytest.raises(OutputError):
        study_file(file, tmp_path)


def test_a_generator_of_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.split("generator")[0] + "generator: {kind: maf}\ngrid: {blocks: [1]}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="'maf' makes no clouds"):
        study_file(file, tmp_path / "out")


def test_true_jets_are_nearer_than_wider_ones() -> None:
    one, other = (clouds(1_500, seed)[0].astype(np.float32) for seed in (1, 2))
    wider = other * np.array([1.2, 1.2, 1], np.float32)
    near, far = compared_jets(other, one), compared_jets(wider, one)
    assert all(near[name] < far[name] for name in ("w1m", "w1p", "fpd"))
    assert near["equivalent_jets"] > far["equivalent_jets"]


def test_jets_of_a_study_are_disjoint_and_enough() -> None:
    learned, others = jets_of("embedded:top_jets", "t", 300, 300)
    assert not {x.tobytes() for x in learned} & {x.tobytes() for x in others}
    with pytest.raises(TooFewEventsError, match="the study wants"):
        jets_of("embedded:top_jets", "t", 10**6, 5)


def test_rows_of_nothing_come_last_and_say_why() -> None:
    good, worse = (summarised({"a": a}, [{"w1m": v}, {"w1m": v + 2}], ["w1m"], "") for a, v in ((1, 1.0), (2, 5.0)))
    none = summarised({"a": [3, 4]}, [], ["w1m"], "ValueError: no")
    assert best_first([none, worse, good], "w1m") == (good, worse, none)
    assert (good.mean["w1m"], good.deviation["w1m"]) == (2.0, pytest.approx(math.sqrt(2)))
    large = [StudyRow({}, {"equivalent_jets": v}, {}, 1) for v in (5.0, 50.0)]
    assert best_first(large, "equivalent_jets")[0] is large[1]
    found = StudyResult(("w1m",), "w1m", (good, none), (1, 2))
    assert "| 3–4 | – | ValueError: no |" in found.markdown()
    assert repr(found) == "<StudyResult: 2 variants by w1m, 1 failed>"
    shown_there = found._repr_html_()
    assert "<th>a</th><th>w1m</th><th>trainings</th>" in shown_there
    assert "<td>1</td><td>2 ± 1.4</td><td>2</td>" in shown_there
    assert shown(2.0, math.nan) == "2"


def test_a_search_without_validation_regions_has_no_number() -> None:
    assert all(math.isnan(value) for value in of_closure(ClosureTest()).values())


SEARCH = """
analysis: analysis.yaml
grid: {template.generator.training.steps: [40, 80]}
"""
ANALYSIS = """
data: {files: "embedded:dijets", selection: event % 8 == 0, features: dijet}
region: {signal: [3300, 3700]}
template: {generator: {kind: autoregressive_spline, hidden: 8, training: {steps: 50}}, oversampling: 1}
classifier: {kind: boosted_trees, members: 1, max_iter: 10}
folds: 2
validation: {generators: 1, region_events: 400}
store: null
threads: 1
"""


@pytest.mark.slow
def test_searches_are_validated_and_compared(tmp_path: Path) -> None:
    (tmp_path / "analysis.yaml").write_text(ANALYSIS, encoding="utf-8")
    file = tmp_path / "study.yaml"
    file.write_text(SEARCH.replace("[40, 80]", "[40, -1]"), encoding="utf-8")
    with pytest.raises(ConfigError, match="steps -1"):
        study_file(file, tmp_path / "out", workers=1)
    file.write_text(SEARCH, encoding="utf-8")
    found = study_file(file, tmp_path / "out", workers=1)
    assert [row.failure for row in found.rows] == ["", ""]
    assert all(0.4 < row.mean["auc"] < 0.9 and row.mean["shift"] > 0 for row in found.rows)
