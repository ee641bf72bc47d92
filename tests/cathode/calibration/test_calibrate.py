"""`cathode calibrate`: background-only experiments of the whole chain, from an analysis file to a corrected p-value."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from analysis.events import Events
from analysis.statistics.counting import p_to_z
from cathode.calibration.pseudo_data import FromSimulation, FromTemplate
from cathode.calibration.result import Calibration
from cathode.cli.app import app
from cathode.commands import calibrate_analysis, run_analysis
from cathode.config import AnalysisConfig, parse_config
from cathode.errors import CalibrationError

from ..toys import COLUMNS, REGION, TrueGenerator, TrueMass, toy_events

ANALYSIS = """
data: {files: events.parquet, mass: m, features: {x: x, y: y}, identifiers: entry}
region: {signal: [3300, 3700], sidebands: [2300, 5300]}
mass_model: {kind: kde}
template:
  generator:
    kind: gaussian_mixture
    components: 1
    hidden: 8
    layers: 1
    training: {steps: 60, learning_rate: 0.03, ema_decay: 0.9}
  oversampling: 2
classifier: {kind: boosted_trees, members: 1, max_iter: 5}
background_efficiencies: [0.2]
folds: 2
validation: {closure: false}
threads: 1
"""


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
    mine = p_to_z(result.primary.p_value)
    reached = sum(each.significance[0.2] >= mine for each in found.experiments)
    assert (cut.p_value == (1 + reached) / 22) == (reached > 0)
    assert cut.extrapolated == (reached == 0)
    assert (cut.experiments, cut.resolution) == (21, 1 / 22)
    assert "calibrated by 21 pseudo-experiments" in str(result)
    with pytest.raises(CalibrationError, match="of another search: method was"):
        run_analysis(
            config(folder, **{"calibration": str(stored), "classifier.max_iter": 6}), tmp_path / "other", report=False
        )


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
