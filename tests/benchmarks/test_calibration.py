"""The benchmark of calibration: on experiments whose distribution is known, and once for real."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.tasks import Task, TaskFolder
from cathode.calibration.audit import AUDIT, Audit, AuditedCut, AuditedWindow
from cathode.calibration.recording import SCORES, SEARCH, WindowScores
from cathode.result import Counts, CutResult, MassModelSummary, RegionSummary, SearchResult
from cathode.testing.toy import toy_events
from tests.cathode.toys import ANALYSIS

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "calibration.py"


def summary(*options: object) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, BENCHMARK, *map(str, options), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def result(observed: float, expected: float) -> SearchResult:
    """A search with a prediction of 20 % error, of which 5 % are statistical."""
    cut = CutResult(0.01, observed, expected, 0.05 * expected, 0.2 * expected, 0.5, 0.5, 0.0, (0.9, 0.9), 400, 40_000)
    return SearchResult(
        region=RegionSummary(3300.0, 3700.0),
        columns=("x",),
        counts=Counts(50_000, 10_000, 20_000, 20_000, 40_000),
        mass_model=MassModelSummary("kde", {}, None, None, None, (2300.0, 5300.0), 1e4, 100.0, 1e4),
        cuts=(cut,),
    )


def experiments(folder: Path, number: int) -> None:
    """Counts 20 % above a prediction whose error is taken for twice what it is; scores that mean nothing."""
    rng = np.random.default_rng(2)
    tasks = [Task("no.module:search", {"number": index}, "code") for index in range(number)]
    planned = TaskFolder.planned(folder / "experiments", tasks)
    for each in tasks:
        truth = 1000 * (1.2 + 0.1 * rng.standard_normal())
        scores = WindowScores(rng.uniform(size=1000), np.arange(1000) % 2, rng.uniform(size=2000), np.arange(2000) % 2)
        with planned.writing(each) as place:
            result(float(rng.poisson(truth)), 1000.0).write(place / SEARCH)
            scores.save(place / SCORES)
            planned.write_result(place, {})


@pytest.mark.slow
def test_of_known_experiments_it_finds_what_they_are(tmp_path: Path) -> None:
    experiments(tmp_path, 200)
    cut = AuditedCut(0.01, 140, 100, 110, 30, {"exact": 3.9}, 0.8)
    audit = Audit((3300.0, 3700.0), {}, (AuditedWindow(2800.0, 3100.0, 10_000, "passed", "", (cut,)),))
    (tmp_path / "audit").mkdir()
    audit.write(tmp_path / "audit" / AUDIT)
    options = ("--folder", tmp_path, "--experiments", 0, "--audit", tmp_path / "audit", "--windows", 0)
    found = summary(*options, "--figure", tmp_path / "figure.png")
    assert found["experiments"] == 200
    # The excess of 20 % is one standard deviation of the error of 20.6 %; scatter is half of it.
    assert found["null_z_mean"]["before"][0] == pytest.approx(0.93, abs=0.15)
    assert found["null_z_width"]["before"][0] == pytest.approx(0.5, abs=0.1)
    assert found["null_ks_p"]["before"] < 1e-6
    for name, right in (("null_z_mean", 0.0), ("null_z_width", 1.0)):
        value, error = found[name]["after"]
        assert abs(value - right) < 3 * error
    assert found["null_ks_p"]["after"] > 0.01
    assert found["null_z_width"]["exact"][0] > 1.5
    assert found["conformal_ks_p"] > 0.01
    assert found["conformal_event_ks_p"] > 0.01
    # Scores without a meaning are exchangeable, so that counts of small conformal p are beta-binomial.
    assert found["conformal_count_ks_p"] > 1e-4
    assert found["audit"]["2800-3100"]["ours"] == 0.8
    assert found["audit"]["2800-3100"]["naive"] == {"exact": 3.9}
    assert (tmp_path / "figure.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_small_run(tmp_path: Path) -> None:
    events = toy_events(6_000, seed=3)
    columns = {"m": events.mass, "x": events.x[:, 0], "y": events.x[:, 1]}
    pq.write_table(pa.table(columns), tmp_path / "events.parquet")
    (tmp_path / "analysis.yaml").write_text(ANALYSIS)
    found = summary("--analysis", tmp_path / "analysis.yaml", "--folder", tmp_path / "null", "--experiments", 40)
    assert found["experiments"] == 40
    assert found["conformal_event_ks_p"] > 1e-3
    assert abs(found["null_z_mean"]["after"][0]) < 4 * found["null_z_mean"]["after"][1]
