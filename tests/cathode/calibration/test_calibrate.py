"""`cathode calibrate`: background-only experiments of the whole chain, from an analysis file to a corrected p-value."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from analysis.events import Events
from analysis.folds import fold_of
from cathode.calibration.pseudo_data import FromSidebands, FromSimulation, FromTemplate, PseudoData
from cathode.calibration.recording import SCORES, SEARCH, WindowScores
from cathode.calibration.result import Calibration, Experiment, comparable
from cathode.cli.app import app
from cathode.commands import calibrate_analysis, run_analysis
from cathode.config import AnalysisConfig, parse_config
from cathode.errors import CalibrationError, RunFolderError
from cathode.result import SearchResult
from cathode.runtime.lock import alone_in

from ..toys import ANALYSIS, COLUMNS, REGION, TrueGenerator, TrueMass, toy_events


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("analysis")
    events = toy_events(6_000, seed=3)
    columns = {"m": events.mass, "x": events.x[:, 0], "y": events.x[:, 1]}
    pq.write_table(pa.table(columns), place / "events.parquet")
    (place / "analysis.yaml").write_text(ANALYSIS)
    return place


def config(folder: Path, **changes: object) -> AnalysisConfig:
    return parse_config(ANALYSIS, folder=folder, overrides=changes)


class TestPseudoData:
    def test_of_the_template_it_has_the_spectrum_of_the_background(self) -> None:
        events = toy_events(40_000, seed=4)
        side = events[REGION.sideband(events.mass)]
        model = TrueMass().fit(side.mass, REGION, weights=side.weights)
        source = FromTemplate(TrueGenerator(), model, side.mass, COLUMNS)
        drawn = [source.draw(seed) for seed in range(30)]
        inside = [int(REGION.signal(each.mass).sum()) for each in drawn]
        beside = [int(REGION.sideband(each.mass).sum()) for each in drawn]
        assert np.mean(inside) == pytest.approx(model.expected().events, rel=0.03)
        assert np.mean(beside) == pytest.approx(len(side), rel=0.01)
        # Numbers of events fluctuate as Poisson numbers, and no two experiments share one.
        assert np.std(beside) == pytest.approx(len(side) ** 0.5, rel=0.5)
        assert not {tuple(row) for row in drawn[0].x.tolist()} & {tuple(row) for row in drawn[1].x.tolist()}
        assert len({tuple(row) for row in drawn[0].ids.tolist()}) == len(drawn[0])

    def test_the_same_seed_is_the_same_experiment(self) -> None:
        source = FromSimulation(toy_events(3_000, seed=5), 2_000.0)
        one, same, other = source.draw(1), source.draw(1), source.draw(2)
        np.testing.assert_array_equal(one.x, same.x)
        assert not np.array_equal(one.mass[:100], other.mass[:100])
        assert source.shared == pytest.approx(len({*one.mass.tolist()}) / 3_000, abs=0.05)

    def test_a_bootstrap_of_the_sidebands_has_their_events_and_none_of_the_window(self) -> None:
        events = toy_events(40_000, seed=4)
        side = events[REGION.sideband(events.mass)]
        model = TrueMass().fit(side.mass, REGION, weights=side.weights)
        drawn = FromSidebands(TrueGenerator(), model, side).draw(7)
        inside = REGION.signal(drawn.mass)
        real = {tuple(row) for row in events.x.tolist()}
        assert {tuple(row) for row in drawn.x[~inside].tolist()} <= {tuple(row) for row in side.x.tolist()}
        assert not {tuple(row) for row in drawn.x[inside].tolist()} & real
        assert inside.sum() == pytest.approx(model.expected().events, rel=0.1)

    @pytest.mark.parametrize("kind", ["sidebands", "simulation"])
    def test_copies_of_an_event_are_in_one_fold(self, kind: str) -> None:
        """A classifier that was trained on one of them must score none."""
        events = toy_events(20_000, seed=4)
        side = events[REGION.sideband(events.mass)]
        model = TrueMass().fit(side.mass, REGION, weights=side.weights)
        source: PseudoData = (
            FromSidebands(TrueGenerator(), model, side)
            if kind == "sidebands"
            else FromSimulation(side, float(len(side)))
        )
        drawn = source.draw(3)
        folds: dict[float, set[int]] = {}
        for mass, fold in zip(drawn.mass.tolist(), fold_of(drawn.ids, 5).tolist(), strict=True):
            folds.setdefault(mass, set()).add(fold)
        assert len(folds) < 0.8 * len(drawn)
        assert {len(each) for each in folds.values()} == {1}

    def test_of_a_file_it_follows_the_weights(self) -> None:
        pool = toy_events(4_000, seed=6)
        weights = np.where(pool.mass > 3_000, 3.0, 1.0)
        weighted = Events(pool.x, pool.mass, pool.columns, weights=weights)
        drawn = FromSimulation(weighted, 50_000.0).draw(3)
        right = weights[pool.mass > 3_000].sum() / weights.sum()
        assert (drawn.mass > 3_000).mean() == pytest.approx(right, abs=0.01)
        assert (drawn.weights == 1).all()


def test_it_is_continued_applied_and_refused(folder: Path, tmp_path: Path) -> None:
    few = calibrate_analysis(config(folder), tmp_path / "calibration", experiments=3, workers=1)
    assert [each.seed for each in few.experiments] == [0, 1, 2]
    found = calibrate_analysis(config(folder), tmp_path / "calibration", experiments=21, workers=1)
    assert found.experiments[:3] == few.experiments
    assert len({each.significance[0.2] for each in found.experiments}) == 21
    stored = tmp_path / "calibration" / "calibration.json"
    assert Calibration.read(stored) == found
    null = found.null(0.2)
    # Data, pseudo-data and template are one Gaussian whose mean follows the mass: nothing is far off.
    assert abs(null.mean[0]) < 4 * null.mean[1] + 0.5
    assert 0.4 < null.width[0] < 2.5

    result = run_analysis(config(folder, calibration=str(stored)), tmp_path / "run", report=False)
    (cut,) = result.calibrated
    mine = result.primary.significance
    reached = sum(each.significance[0.2] >= mine for each in found.experiments)
    assert (cut.p_value == (1 + reached) / 22) == (reached > 0)
    assert cut.extrapolated == (reached == 0)
    assert (cut.experiments, cut.resolution) == (21, 1 / 22)
    assert "calibrated by 21 pseudo-experiments" in str(result)
    named = "of another search: method.classifier.max_iter was 5 and is 6; strip_fraction was 0.5 and is 0.4. Calib"
    changes = {"classifier.max_iter": 6, "validation.region_fraction": 0.4}
    with pytest.raises(CalibrationError, match=named):
        run_analysis(config(folder, calibration=str(stored), **changes), tmp_path / "other", report=False)


def test_a_run_finds_the_calibration_beside_it_and_says_when_it_is_of_another_search(
    folder: Path, tmp_path: Path
) -> None:
    made = Calibration(
        settings=comparable(config(folder).search().settings()),
        source="normal numbers",
        events=6_000.0,
        experiments=tuple(
            Experiment(seed, {0.2: z}, {0.2: z}, {0.2: 1.0}, {0.2: 1.0})
            for seed, z in enumerate(np.random.default_rng(1).normal(0.5, 0.8, 20).tolist())
        ),
    )
    (tmp_path / "run-calibration").mkdir()
    made.write(tmp_path / "run-calibration" / "calibration.json")
    result = run_analysis(config(folder), tmp_path / "run")
    (cut,) = result.calibrated
    assert len(cut.null) == cut.experiments == 20
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert 'id="calibration"' in page
    assert 'id="null_0"' in page
    (tmp_path / "run-calibration").rename(tmp_path / "other-calibration")
    other = run_analysis(config(folder, **{"classifier.max_iter": 6}), tmp_path / "other", report=False)
    assert not other.calibrated
    assert "method.classifier.max_iter was 5 and is 6" in other.warnings[-1]


def test_one_writer_at_a_time_and_what_is_kept_of_an_experiment(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "calibration"
    lock = threading.Event(), threading.Event()

    def hold() -> None:
        with alone_in(place):
            lock[0].set()
            lock[1].wait()

    other = threading.Thread(target=hold)
    other.start()
    lock[0].wait()
    with pytest.raises(RunFolderError, match="being written"):
        calibrate_analysis(config(folder), place, experiments=1, workers=1)
    lock[1].set()
    other.join()
    found = calibrate_analysis(config(folder), place, experiments=1, source="sidebands", workers=1)
    assert "bootstrap of the sidebands" in found.source
    (done,) = (place / "experiments" / "done").iterdir()
    assert {path.name for path in done.iterdir()} == {"result.json", SEARCH, SCORES}
    kept, scores = SearchResult.read(done / SEARCH), WindowScores.load(done / SCORES)
    assert kept.primary.significance == found.experiments[0].significance[0.2]
    # The count can be made again from what was kept.
    thresholds = np.array(kept.primary.thresholds, np.float32)
    assert (scores.scores >= thresholds[scores.fold]).sum() == kept.primary.observed
    assert len(scores.reference_scores) == kept.primary.template_total
    (done / SCORES).write_bytes(b"nothing")
    with pytest.raises(CalibrationError, match="no scores of an experiment"):
        WindowScores.load(done / SCORES)


@pytest.mark.slow
def test_from_the_command_line_with_simulated_background(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app,
        [
            *("calibrate", str(folder / "analysis.yaml"), "-n", "20", "-w", "1", "--json"),
            *("--background", str(folder / "events.parquet"), "-o", str(tmp_path / "out")),
        ],
    )
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["experiments"] == 20
    assert set(said["cuts"]["0.2"]) == {"mean", "width", "ks_p"}
    assert "with replacement" in Calibration.read(tmp_path / "out" / "calibration.json").source
