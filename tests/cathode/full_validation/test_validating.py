"""`cathode validate --full`, from files to a page, and again without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cathode.cli.app import app
from cathode.full_validation.result import FullValidation

from ..toys import ANALYSIS, toy_events

TESTED = ANALYSIS.replace("validation: {closure: false}", "validation: {members: 1, generators: 1}")


def cathode(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.mark.slow
def test_every_group_is_tested_and_the_same_call_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, events in (("events", toy_events(5_000, seed=3)), ("signal", toy_events(0, signal=1_500, seed=4))):
        columns = {"m": events.mass, "x": events.x[:, 0], "y": events.x[:, 1]}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    (tmp_path / "analysis.yaml").write_text(TESTED)
    asked = (
        *("validate", tmp_path / "analysis.yaml", "--full", "-o", tmp_path / "out", "-w", 1, "--json"),
        *("--experiments", 4, "--edges", 2, "--signal", tmp_path / "signal.parquet", "-n", 400, "--repeats", 2),
    )
    done = cathode(*asked)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert {each["group"] for each in said["checks"]} == {
        *("closure", "null calibration", "injection linearity", "sculpting", "window edges")
    }
    found = FullValidation.read(tmp_path / "out" / "validation.json")
    assert found.experiments == {"null": 4, "injected": 4, "edges": 10}
    assert not found.failures
    slope = next(each for each in found.checks if each.name.startswith("found over injected"))
    assert abs(slope.value - 1) < 4 * slope.error
    assert "Full validation" in (tmp_path / "out" / "validation.html").read_text()
    monkeypatch.setattr("cathode.search.Search.run", None)
    assert json.loads(cathode(*asked).stdout)["checks"] == said["checks"]
