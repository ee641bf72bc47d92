"""Signal in pseudo-experiments: from a calibration to a yield, without a look into the window of the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cathode.calibration.experiments import drawn_from
from cathode.cli.app import app
from cathode.commands import calibrate_analysis
from cathode.config import load_config
from cathode.errors import CalibrationError
from cathode.injection.injecting import read_injections

from ..toys import ANALYSIS, REGION, toy_events


def cathode(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("injection")
    for name, events in (
        ("events", toy_events(5_000, seed=3)),
        ("signal", toy_events(0, signal=1_500, seed=4)),
    ):
        columns = {"m": events.mass, "x": events.x[:, 0], "y": events.x[:, 1]}
        pq.write_table(pa.table(columns), place / f"{name}.parquet")
    (place / "analysis.yaml").write_text(ANALYSIS)
    calibrate_analysis(load_config(place / "analysis.yaml"), place / "null", experiments=1, workers=1)
    return place


def injected(folder: Path, *options: object) -> Any:
    signal, null = folder / "signal.parquet", folder / "null"
    given = ("--signal", signal, "--calibration", null, "-n", 600, "--repeats", 2, "-w", 1, "-o", folder / "out")
    return cathode("inject", folder / "analysis.yaml", *given, *options)


def test_a_poisson_number_of_signal_events_is_found_in_pseudo_data(folder: Path) -> None:
    done = injected(folder)
    assert done.exit_code == 0, done.output
    found = read_injections(folder / "out")
    assert sorted(each.injected for each in found) == [0, 0, 600, 600]
    some = [each for each in found if each.injected]
    inside = [each.inside for each in some]
    assert inside[0] != inside[1]
    assert np.mean(inside) == pytest.approx(600, abs=6 * (600 / 2) ** 0.5)
    for each in some:
        cut = each.cuts[0.2]
        assert cut.passing > 0.4 * each.inside
        # What passes beyond the expectation is what was put in, of which a part is expected to pass as background is.
        error = (cut.observed + cut.error**2) ** 0.5
        assert cut.observed - cut.expected == pytest.approx(each.beyond(0.2), abs=4 * error)
        assert each.beyond(0.2) == pytest.approx(cut.passing - 0.2 * each.inside)


def test_events_of_the_data_in_the_window_do_not_matter(folder: Path) -> None:
    """Pseudo-experiments are drawn by what the calibration learned beside the window."""
    known = drawn_from(folder / "null")
    stored = np.load(folder / "null" / "sidebands.npz")
    assert not REGION.signal(stored["mass"]).any()
    assert known.source == "template"
    assert 3_000 < known.events <= 5_000


def test_another_search_or_none_is_refused(folder: Path, tmp_path: Path) -> None:
    done = injected(folder, "--set", "folds=3")
    assert done.exit_code != 0
    assert "another search" in done.output
    with pytest.raises(CalibrationError, match="cathode calibrate"):
        drawn_from(tmp_path)
    done = cathode(
        *("inject", folder / "analysis.yaml", "--signal", folder / "signal.parquet", "-n", 1_490),
        *("--calibration", folder / "null", "-o", tmp_path / "out"),
    )
    assert done.exit_code != 0
    assert "on average can be" in done.output


def test_the_limit_is_an_expected_one(folder: Path) -> None:
    found = json.loads(cathode("limit", folder / "out", "--json").stdout)["limits"][0]
    # Of a single strength nothing weaker is known, and of pseudo-experiments nothing is observed.
    assert set(found["expected"]) == {600}
    assert found["observed"] == "NaN"
